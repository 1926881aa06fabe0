"""The storage driver, whose devices and file systems appear some time after it is told to look for them."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from tierhost.workers.storage.driver import StorageDriver

if TYPE_CHECKING:
    from tierhost.workers.runtime.contract import InhibitCallback, InitResult

DELAY_S = "TIERHOST_RACE_DELAY_S"
"""So long it takes after each of the two words: to be initialized, and to start the pools."""


class SlowStorage(StorageDriver):
    """Does all that the storage driver does, later."""

    def state_initialize(self, *, privileged: bool, inhibit: InhibitCallback) -> InitResult:
        """Wait for the devices, then look at them."""
        self._take_time()
        return super().state_initialize(privileged=privileged, inhibit=inhibit)

    def state_auto_start(self) -> None:
        """Wait for the file systems, then start the pools."""
        self._take_time()
        super().state_auto_start()

    @staticmethod
    def _take_time() -> None:
        threading.Event().wait(float(os.environ.get(DELAY_S, "0")))
