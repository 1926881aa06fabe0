"""Threads for driver code: as many as there are calls under way, none when there are none."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from tierhost.ipc.limits import IN_FLIGHT_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

LINGER_S = 5.0
THREADS_MAX = IN_FLIGHT_MAX + 16
"""One for every request that can be in flight, and some for verbs and deferred work: whoever waits never starves the rest."""


class Pool:
    """Starts a thread when nobody is free, and lets it go after a while without work. `at_end` runs in a leaving thread."""

    def __init__(self, at_end: Callable[[], None]) -> None:
        self._at_end = at_end
        self._work: deque[Callable[[], None]] = deque()
        self._ready = threading.Condition()
        self._idle = 0
        self._threads = 0

    def run(self, work: Callable[[], None]) -> None:
        """Run `work` in some thread, now if there may be one more, else as soon as one is free."""
        with self._ready:
            self._work.append(work)
            if self._idle >= len(self._work) or self._threads >= THREADS_MAX:
                self._ready.notify()
                return
            self._threads += 1
        threading.Thread(target=self._serve, name=f"call-{self._threads}", daemon=True).start()

    def _serve(self) -> None:
        while True:
            with self._ready:
                self._idle += 1
                got = self._ready.wait_for(lambda: bool(self._work), LINGER_S)
                self._idle -= 1
                if not got:
                    self._threads -= 1
                    break
                work = self._work.popleft()
            work()
        self._at_end()
