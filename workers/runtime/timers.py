"""What is to be done later: entered by any thread, due in the loop."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from tierhost.workers.runtime.guard import guarded

if TYPE_CHECKING:
    from collections.abc import Callable


class Timers:
    """A heap of deferred work."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Callable[[], None]]] = []
        # Two that are due at the same instant are done in the order in which they came.
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def add(self, seconds: float, function: Callable[[], None]) -> None:
        """Remember to run something, not before `seconds` have passed."""
        work: Callable[[], None] = partial(_deferred, function)
        with self._lock:
            heapq.heappush(self._waiting, (time.monotonic() + seconds, next(self._numbers), work))

    def wait_s(self, longest_s: float) -> float:
        """How long nothing is due, at most `longest_s`."""
        if not self._waiting:
            return longest_s
        with self._lock:
            return max(0.0, min(longest_s, self._waiting[0][0] - time.monotonic())) if self._waiting else longest_s

    def due(self, now_s: float) -> list[Callable[[], None]]:
        """Take what is due."""
        due: list[Callable[[], None]] = []
        if not self._waiting:
            return due
        with self._lock:
            while self._waiting and self._waiting[0][0] <= now_s:
                due.append(heapq.heappop(self._waiting)[2])
        return due


def _deferred(function: Callable[[], None]) -> None:
    guarded("deferred work", function)
