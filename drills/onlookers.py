"""Callers of every driver who are not the victim's: a thread and a client each, the same harmless question again and again."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from tierhost.drills.matrix import LATE, Ending, Onlooking, Told, ending
from tierhost.ipc.client import Client
from tierhost.ipc.errors import TierhostError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.ipc.paths import Root

PAUSE_S: Final = 0.02
SEEN_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Question:
    """What one of them asks."""

    method: str
    args: tuple[Any, ...]


@dataclass(slots=True)
class Onlookers:
    """All of them; `deadline_s` is what each call may take. Leave the context to end them."""

    root: Root
    questions: Mapping[str, Question]
    deadline_s: float
    _right: dict[str, str] = field(default_factory=dict)
    _seen: dict[str, deque[tuple[float, float, Told]]] = field(default_factory=dict)
    _news: threading.Condition = field(default_factory=threading.Condition)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        with Client(self.root, deadline_s=self.deadline_s) as client:
            for driver, question in self.questions.items():
                self._right[driver] = repr(client.call(question.method, *question.args, changes=False))
                self._seen[driver] = deque(maxlen=SEEN_MAX)
        for driver in self.questions:
            thread = threading.Thread(target=self._look_on, args=(driver,), name=f"onlooker-{driver}", daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(self.deadline_s + 1.0)

    def _look_on(self, driver: str) -> None:
        question = self.questions[driver]
        with Client(self.root, deadline_s=self.deadline_s) as client:
            while not self._stop.wait(PAUSE_S):
                began_s = time.monotonic()
                answer = error = text = ""
                try:
                    answer = repr(client.call(question.method, *question.args, changes=False))
                except TierhostError as refused:
                    error, text = type(refused).__name__, str(refused)
                ended_s = time.monotonic()
                told = Told(answer, error, text, ended_s - began_s, self.deadline_s)
                with self._news:
                    self._seen[driver].append((began_s, ended_s, told))
                    self._news.notify_all()

    def seen(self, victim: str, from_s: float, to_s: float) -> tuple[Onlooking, ...]:
        """What those of other drivers saw of a span of time; waits until each has ended a call that began in it, or later."""
        others = [driver for driver in self.questions if driver != victim]

        def caught_up() -> bool:
            return all(self._seen[driver] and self._seen[driver][-1][0] >= from_s for driver in others)

        with self._news:
            self._news.wait_for(caught_up, self.deadline_s + 1.0)
            return tuple(self._summed(driver, from_s, to_s) for driver in others)

    def _summed(self, driver: str, from_s: float, to_s: float) -> Onlooking:
        ended = [(began_s, told) for began_s, ended_s, told in self._seen[driver] if ended_s >= from_s]
        first_s = min((began_s for began_s, _ in ended), default=0.0)
        # At least one, though the span may be shorter than their pause.
        told = [told for began_s, told in ended if began_s <= max(to_s, first_s)]
        if not told:
            lost = Told(error=LATE, text="no call has come back", took_s=self.deadline_s, deadline_s=self.deadline_s)
            told = [lost]
        ends = [(ending(one, self._right[driver]), f"{one.error} {one.text}".strip() or one.answer) for one in told]
        worst = max(end for end, _ in ends)
        error = next(text for end, text in ends if end == worst) if worst is not Ending.RIGHT else ""
        return Onlooking(driver, len(told), worst, max(one.took_s for one in told), error)
