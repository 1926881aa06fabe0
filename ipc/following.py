"""A client's view of one host: asks it, hears its events, and keeps the directory of lives in step, across hosts."""

from __future__ import annotations

import itertools
import os
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tierhost.ipc.codec import NotInLanguage, decode, encode
from tierhost.ipc.directory import Directory, Entry
from tierhost.ipc.endpoints import somebody_listens
from tierhost.ipc.errors import CallError, Code, DeadlineExceeded, OutcomeUnknown, ProtocolError
from tierhost.ipc.failures import error_of
from tierhost.ipc.limits import CALL_DEADLINE_MAX_S
from tierhost.ipc.messages import Event, Failure, Reply, Request
from tierhost.ipc.orphans import listening_lives
from tierhost.ipc.sockets import Waiter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tierhost.ipc.messages import Answer, Value
    from tierhost.ipc.paths import Root
    from tierhost.ipc.sockets import Pollable, Sockets

LOOK_AGAIN_S = 0.25
"""How often a client that waits for a driver asks the host for the whole picture: it may not have heard the news."""

PICTURE_PATIENCE_S = 1.0
LAST_WORDS_S = 0.05
"""How long after a host's death its answer may still be on its way through our own threads."""

FOLLOWED_MAX = 10_000
"""Events kept for an iterator that is not read."""


class Following:
    """Two sockets: a line to the host, and a listener to what it publishes. News for a Caller. For one thread."""

    def __init__(self, root: Root, sockets: Sockets) -> None:
        self.directory = Directory()
        self._root = root
        self._host = sockets.line(root.host_socket)
        self._listener = sockets.listener(root.events_socket)
        self._waiter = Waiter(self.sources())
        self._prefix = os.urandom(8)
        self._numbers = itertools.count(1)
        self._number = 0
        self._came_up: dict[str, int] = {}
        self._picture_id = b""
        self._picture_asked_s = 0.0
        self._awaited_id = b""
        self._answer: Answer | None = None
        self._followers: list[deque[Event]] = []

    # Asking the host.

    def ask(self, method: str, args: Sequence[Value], kwargs: Mapping[str, Value], end_s: float, host_fd: int = -1) -> Any:
        """Ask once, and return the answer. `host_fd`: give up when the process of this pidfd is dead.

        Raises what the host answers; DeadlineExceeded at `end_s` (CLOCK_MONOTONIC); OutcomeUnknown if the host died.
        """
        data = self._request(method, args, kwargs, end_s)
        while not self._host.send(data):
            if not self._host.wait_sendable(end_s - time.monotonic()):
                raise _no_answer(method)
        waiter = self._waiter if host_fd < 0 else Waiter([*self.sources(), host_fd])
        while True:
            remaining_s = end_s - time.monotonic()
            if remaining_s <= 0:
                raise _no_answer(method)
            died = host_fd in waiter.wait(remaining_s)
            self.take()
            while died and self._answer is None and self._host.wait(LAST_WORDS_S):
                self.take()
            answer, self._answer = self._answer, None
            if isinstance(answer, Failure):
                raise error_of(answer)
            if answer is not None:
                return answer.value
            if died:
                reason = f"it ended before it answered {method}"
                raise OutcomeUnknown(reason, subject="host", hint="`tierhost status` says whether another one runs")

    def _request(self, method: str, args: Sequence[Value], kwargs: Mapping[str, Value], end_s: float) -> bytes:
        self._awaited_id, self._answer = self._next_id(), None
        remaining_s = min(max(end_s - time.monotonic(), 0.001), CALL_DEADLINE_MAX_S)
        try:
            return encode(Request(self._awaited_id, 0, method, list(args), dict(kwargs), remaining_s, "", 0, 1))
        except NotInLanguage as error:
            raise CallError(str(error), code=Code.INVALID_ARG, subject="host") from None

    def _next_id(self) -> bytes:
        return self._prefix + next(self._numbers).to_bytes(8, "big")

    # News of who is up, for a Caller and for ourselves.

    def sources(self) -> Sequence[int | Pollable]:
        """Return what to wait on."""
        return self._listener, self._host

    def follow(self, driver: str) -> None:
        """Do nothing: the listener hears of every driver."""

    def doubt(self, driver: str) -> float:
        """Ask the host for the whole picture, or look who listens if there is none; return when to doubt again (seconds)."""
        now_s = time.monotonic()
        if now_s >= self._picture_asked_s + LOOK_AGAIN_S:
            self._picture_asked_s = now_s
            self._picture_id = self._next_id()
            question = Request(self._picture_id, 0, "directory", [], {}, PICTURE_PATIENCE_S, "", 0, 1)
            if not self._host.send(encode(question)):
                for entry in listening_lives(self._root):
                    self.directory.up(entry)
        return LOOK_AGAIN_S

    def wait(self, timeout_s: float) -> None:
        """Wait until something happens, and take it."""
        self._waiter.wait(timeout_s)
        self.take()

    def take(self) -> None:
        """Take what has arrived: events, and the host's answers."""
        while (data := self._listener.receive()) is not None:
            event = decode(data)
            if isinstance(event, Event):
                self._note(event)
        while (data := self._host.receive()) is not None:
            answer = decode(data)
            if isinstance(answer, Reply | Failure) and answer.call_id == self._awaited_id:
                self._answer = answer
            elif isinstance(answer, Reply) and answer.call_id == self._picture_id:
                self.look(answer.value)

    def _note(self, event: Event) -> None:
        if event.number > self._number + 1:
            # Something was missed, or another host has begun to count.
            self.doubt("")
        self._number = max(self._number, event.number)
        if event.source == "host" and event.kind == "peer-up":
            entry = _entry(event.details)
            self._came_up[entry.driver] = event.number
            self.directory.up(entry)
        elif event.source == "host" and event.kind == "peer-down":
            self.directory.down(str(event.details.get("driver", "")), event.incarnation)
        for follower in self._followers:
            follower.append(event)

    def look(self, picture: Any) -> None:
        """Bring the directory in line with the host's whole picture, the answer to host.directory."""
        try:
            number = int(picture["number"])
            lives = {entry.driver: entry for entry in map(_entry, picture["lives"])}
        except (KeyError, TypeError, ValueError) as error:
            reason = f"the host's directory is not readable: {error}"
            raise ProtocolError(reason) from None
        for known in self.directory.lives():
            # What came up since is not in the picture yet; nor is what a host that has just started has yet to adopt: whoever
            # still answers its door is let be, and nobody is taken for dead for good.
            absent = known.driver not in lives and self._came_up.get(known.driver, 0) <= number
            if absent and not _answers(known):
                self.directory.withdraw(known.driver, known.incarnation)
        for entry in lives.values():
            self.directory.up(entry)
        self._number = max(self._number, number)

    @contextmanager
    def heard(self) -> Iterator[deque[Event]]:
        """Collect the events heard from now on; the latest FOLLOWED_MAX of them."""
        heard: deque[Event] = deque(maxlen=FOLLOWED_MAX)
        self._followers.append(heard)
        try:
            yield heard
        finally:
            # By identity: two that are empty are equal.
            self._followers = [follower for follower in self._followers if follower is not heard]


def _answers(life: Entry) -> bool:
    try:
        return somebody_listens(life.endpoint)
    except OSError:
        return False


def _entry(fields: Any) -> Entry:
    try:
        return Entry(
            driver=str(fields["driver"]),
            incarnation=int(fields["incarnation"]),
            endpoint=str(fields["endpoint"]),
            pid=int(fields["pid"]),
            needs=frozenset(map(str, fields["needs"])),
        )
    except (KeyError, TypeError, ValueError) as error:
        reason = f"the host's directory is not readable: {error}"
        raise ProtocolError(reason) from None


def _no_answer(method: str) -> DeadlineExceeded:
    return DeadlineExceeded(f"{method} was not answered in time", subject="host", hint="is it running, and not stopped?")
