"""The least that a driver can be; what remains is the cost of the runtime."""

from __future__ import annotations

import gc
import os

from tierhost.workers.runtime.contract import InhibitCallback, InitResult, StateDriver, read


class TrivialDriver(StateDriver):
    """Keeps nothing, drives nothing."""

    def state_initialize(self, *, privileged: bool, inhibit: InhibitCallback) -> InitResult:
        """Be there."""
        return InitResult.COMPLETE

    @read(inline=True)
    def whoami(self) -> int:
        """Say which process answers."""
        return os.getpid()

    @read()
    def collect(self) -> None:
        """Collect all garbage, so that what is measured next is what an idle worker comes to in the end."""
        gc.collect()
