"""The secret driver as it is, with one method more: memory is measured after a full collection."""

from __future__ import annotations

import gc

from tierhost.workers.runtime.contract import read
from tierhost.workers.secret.driver import SecretDriver


class Measured(SecretDriver):
    """The secret driver, to be measured."""

    @read()
    def collect(self) -> None:
        """Collect all garbage, so that what is measured next is what an idle worker comes to in the end."""
        gc.collect()
