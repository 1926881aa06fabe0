"""The sign of life of a worker's loop: a beat in shared memory for the host, a watchdog for what the host cannot see."""

from __future__ import annotations

import faulthandler
import mmap
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

WATCHDOG_PERIOD_S = 1.0
"""How often the watchdog's end is pushed off, at most: it takes a system call, or three."""


class Pulse:
    """One slot of the table of beats; written by the loop, each time it turns."""

    def __init__(self, path: Path, slot: int, patience_s: float) -> None:
        """Map the host's table. A loop that is silent for `patience_s` leaves a traceback in the log, and ends."""
        with path.open("r+b") as table:
            self._beats = memoryview(mmap.mmap(table.fileno(), 0)).cast("d")
        self._slot = slot
        self._patience_s = patience_s
        self._rearm_s = 0.0

    def beat(self, now_s: float) -> None:
        """Say that the loop turns. `now_s`: CLOCK_MONOTONIC."""
        self._beats[self._slot] = now_s

    def guard(self, now_s: float) -> None:
        """Push the watchdog's end off. Seen from inside: leaves a traceback where the host could only see silence."""
        if not self._rearm_s:
            # The kernel's timer, and a handler that needs neither the GIL nor a thread. After the traceback, SIGALRM's own end.
            faulthandler.register(signal.SIGALRM, chain=True)
        if now_s >= self._rearm_s:
            # Well before it ends, however little patience there is.
            self._rearm_s = now_s + min(WATCHDOG_PERIOD_S, self._patience_s / 4)
            signal.setitimer(signal.ITIMER_REAL, self._patience_s)
