"""The load of a drill: a stream of harmless calls, one thread for each, so that one that waits holds up no other."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from tierhost.drills.plan import Ask, Load
    from tierhost.drills.recording import Recorder

JOIN_S: Final = 5.0


@dataclass(slots=True)
class Stream:
    """Calls go on from `with` to its end. Each of the asks has its share of the rate."""

    load: Load
    recorder: Recorder
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        period_s = len(self.load.asks) / self.load.per_second
        for number, ask in enumerate(self.load.asks):
            # Daemons: a drill that is interrupted must be able to end.
            words = (ask, period_s, period_s * number / len(self.load.asks))
            thread = threading.Thread(target=self._call, args=words, name=f"load {ask.method}", daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        end_s = time.monotonic() + JOIN_S + max((ask.deadline_s for ask in self.load.asks), default=0.0)
        for thread in self._threads:
            thread.join(max(0.0, end_s - time.monotonic()))

    def _call(self, ask: Ask, period_s: float, after_s: float) -> None:
        due_s = time.monotonic() + after_s
        while not self._stop.wait(max(0.0, due_s - time.monotonic())) and not self.recorder.full():
            self.recorder.make(ask, load=True)
            # What was missed while a call waited is not made up for: it would be a burst that nobody asked for.
            due_s = max(due_s + period_s, time.monotonic())
