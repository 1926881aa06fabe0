"""The storage driver as it is, with one method more: memory is measured after a full collection."""

from __future__ import annotations

import gc

from tierhost.workers.runtime.contract import read
from tierhost.workers.storage.driver import StorageDriver


class Measured(StorageDriver):
    """The storage driver, to be measured."""

    @read()
    def collect(self) -> None:
        """Collect all garbage, so that what is measured next is what an idle worker comes to in the end."""
        gc.collect()
