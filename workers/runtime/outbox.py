"""What driver threads want to say, handed to the main loop: sockets belong to the loop alone."""

from __future__ import annotations

import os
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from tierhost.ipc.codec import legible
from tierhost.ipc.limits import NAME_CHARS_MAX
from tierhost.ipc.messages import Happened, Inhibit, Message, Report

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

WORDS_MAX = 4096
WORDS_PER_TURN_MAX = 256
"""A flood of our own driver's does not keep the loop from its beat, nor from the host's words."""

SUBJECTS_DEGRADED_MAX = 1000


class Outbox:
    """Thread-safe and bounded: when the host does not listen, the oldest events go first, and their number is told."""

    def __init__(self, driver: str, incarnation: int) -> None:
        self.wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._driver = driver
        self._incarnation = incarnation
        self._lock = threading.Lock()
        self._words: deque[Message] = deque()
        self._answers: deque[tuple[bytes, bytes]] = deque()
        self._lost = 0
        self._degraded: dict[str, str] = {}
        self._inhibit: Inhibit | None = None
        self._reported: Report | None = None
        self.dirty = False

    # From any thread.

    def emit(self, kind: str, subject: str, details: Mapping[str, Any]) -> None:
        """Something happened to an object."""
        self.say(Happened(self._driver, self._incarnation, legible(kind, NAME_CHARS_MAX), legible(subject), dict(details)))

    def degrade(self, subject: str, reason: str) -> None:
        """An object does not do what it should; shown until it is mended."""
        subject, reason = legible(subject), legible(reason)
        with self._lock:
            known = self._degraded.get(subject) == reason
            if len(self._degraded) < SUBJECTS_DEGRADED_MAX or subject in self._degraded:
                self._degraded[subject] = reason
        if not known:
            self.touch()

    def mend(self, subject: str) -> None:
        """An object is all right again."""
        with self._lock:
            gone = self._degraded.pop(legible(subject), None)
        if gone is not None:
            self.touch()

    def inhibit(self, *, held: bool, why: str = "") -> None:
        """Hold the host's shutdown off, or no longer."""
        word = Inhibit(self._driver, self._incarnation, held, legible(why))
        if word != self._inhibit:
            self._inhibit = word
            self.say(word)

    def touch(self) -> None:
        """What `objects()` counts may have changed."""
        self.dirty = True
        self.wake()

    def answer(self, routing_id: bytes, data: bytes) -> None:
        """An answer for the door."""
        self._answers.append((routing_id, data))
        self.wake()

    def wake(self) -> None:
        """Let the loop look here at once."""
        os.eventfd_write(self.wake_fd, 1)

    def say(self, word: Message) -> None:
        """A word for the host. The oldest event is dropped, and counted, when nobody takes them; what a verb came to never is."""
        with self._lock:
            if len(self._words) >= WORDS_MAX:
                oldest = next((n for n, known in enumerate(self._words) if isinstance(known, Happened)), 0)
                del self._words[oldest]
                self._lost += 1
            self._words.append(word)
        self.touch()

    # From the loop.

    def close(self) -> None:
        """Give the eventfd back."""
        os.close(self.wake_fd)

    def drain(self) -> None:
        """Take the wake-ups."""
        try:
            os.eventfd_read(self.wake_fd)
        except BlockingIOError:
            return

    def answers(self) -> list[tuple[bytes, bytes]]:
        """Take what is to go out at the door."""
        taken: list[tuple[bytes, bytes]] = []
        while self._answers:
            taken.append(self._answers.popleft())
        return taken

    def has_words(self) -> bool:
        """Whether there is anything to be said to the host."""
        return bool(self._words)

    def flush(self, send: Callable[[Message], bool]) -> None:
        """Say what is to be said to the host, in order, as far as it listens; the rest of a flood at the next turn."""
        for _ in range(WORDS_PER_TURN_MAX):
            with self._lock:
                word = self._words[0] if self._words else None
            if word is None:
                break
            if not send(word):
                return
            with self._lock:
                if self._words and self._words[0] is word:
                    self._words.popleft()
        else:
            self.wake()
        if self._lost:
            lost, self._lost = self._lost, 0
            self.emit("events-lost", self._driver, {"count": lost})

    def report(self, objects: Mapping[str, Any], send: Callable[[Message], bool]) -> None:
        """Tell how the objects are, if that has changed. The caller has taken `dirty` back before it counted them."""
        with self._lock:
            report = Report(self._driver, self._incarnation, dict(objects), dict(self._degraded))
        if report == self._reported or send(report):
            self._reported = report
        else:
            self.dirty = True

    def forget_what_was_told(self) -> None:
        """Another host listens now, and knows nothing yet."""
        self._reported = None
        if self._inhibit is not None:
            self.say(self._inhibit)
        self.touch()


def in_other_words(word: Message, trouble: str) -> Message:
    """Say instead of a word that cannot travel that it could not, and why: what a driver reports may be any nonsense."""
    if isinstance(word, Report):
        return word._replace(objects={}, degraded={f"driver {word.driver}": f"what it reports cannot travel: {trouble}"})
    if isinstance(word, Happened):
        return word._replace(details={"left out": trouble})
    return word
