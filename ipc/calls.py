"""Calling a driver: find its life, ask, and live through its death; every call has a deadline."""

from __future__ import annotations

import itertools
import os
import time
from typing import TYPE_CHECKING, Any, Protocol

from tierhost.ipc.codec import decode, encode
from tierhost.ipc.errors import (
    KINDS,
    CallError,
    Code,
    DeadlineExceeded,
    OutcomeUnknown,
    PeerAbsent,
    PeerDied,
    ProtocolError,
    TierhostError,
)
from tierhost.ipc.limits import CALL_DEADLINE_MAX_S
from tierhost.ipc.messages import Answer, Failure, Reply, Request
from tierhost.ipc.sockets import AnswerOrNews, wait_for_news

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tierhost.ipc.directory import Directory, Entry
    from tierhost.ipc.messages import Value
    from tierhost.ipc.sockets import Line, Listener, Sockets


class News(Protocol):
    """Where a caller hears who came up and who died while it waits."""

    def source(self) -> int | Listener:
        """What to wait on."""

    def take(self) -> None:
        """Bring the directory up to date with what has arrived."""


class WokenByLoop:
    """News for a thread whose process has a loop that keeps the directory: the loop writes an eventfd."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._fd = directory.watch()

    def source(self) -> int:
        return self._fd

    def take(self) -> None:
        try:
            os.eventfd_read(self._fd)
        except BlockingIOError:
            return

    def close(self) -> None:
        self._directory.unwatch(self._fd)


class Caller:
    """One thread's way to other drivers. Not to be shared: its sockets belong to the thread that made it."""

    def __init__(self, sockets: Sockets, directory: Directory, news: News, *, name: str = "", incarnation: int = 0) -> None:
        self._sockets = sockets
        self._directory = directory
        self._news = news
        self._name = name
        self._incarnation = incarnation
        self._lines: dict[str, tuple[Entry, Line, AnswerOrNews]] = {}
        self._prefix = os.urandom(8)
        self._numbers = itertools.count(1)

    def call(
        self,
        driver: str,
        method: str,
        args: Sequence[Value] = (),
        kwargs: Mapping[str, Value] | None = None,
        *,
        deadline_s: float,
        changes: bool,
        call_id: bytes | None = None,
    ) -> Any:
        """Call `driver.method` and return its answer, at the latest at `deadline_s` (CLOCK_MONOTONIC).

        When the life that has the request dies, the next one is asked: again for what changes nothing; with the same
        call id for what does, so that a recorded answer is found. Raises what the callee raised, or PeerAbsent,
        DeadlineExceeded, OutcomeUnknown.
        """
        call_id = call_id or self._prefix + next(self._numbers).to_bytes(8, "big")
        attempt = 0
        while True:
            entry = self._find(driver, deadline_s, sent=changes and attempt > 0)
            attempt += 1
            remaining_s = min(deadline_s - time.monotonic(), CALL_DEADLINE_MAX_S)
            if remaining_s <= 0:
                raise self._late(driver, method)
            request = Request(
                call_id, entry.incarnation, method, list(args), dict(kwargs or {}), remaining_s, self._name, self._incarnation, attempt
            )
            answer = self._ask(entry, encode(request), call_id, deadline_s, f"{driver}.{method}")
            if isinstance(answer, Reply):
                return answer.value
            if answer is None:
                continue
            if answer.kind == PeerDied.__name__ and answer.incarnation != entry.incarnation:
                # Somebody else lives there: whoever we meant is gone.
                self._directory.down(entry.driver, entry.incarnation)
                continue
            raise error_of(answer)

    def _find(self, driver: str, deadline_s: float, *, sent: bool) -> Entry:
        while True:
            entry = self._directory.find(driver)
            if entry is not None:
                return entry
            remaining_s = deadline_s - time.monotonic()
            if remaining_s <= 0:
                if sent:
                    reason = "the worker died during the change, and no next life came up in time to say what became of it"
                    raise OutcomeUnknown(reason, subject=f"driver {driver}", hint="look at the object before you try again")
                reason = "it has no life that can be called"
                raise PeerAbsent(reason, subject=f"driver {driver}", hint="`tierhost status` says why")
            wait_for_news(self._news.source(), remaining_s)
            self._news.take()

    def _ask(self, entry: Entry, data: bytes, call_id: bytes, deadline_s: float, what: str) -> Answer | None:
        """Send and wait. None: that life is over."""
        line, waiter = self._line(entry)
        if not line.send(data):
            self._drop(entry.driver)
            reason = "it does not take requests"
            raise CallError(reason, code=Code.RESOURCE_BUSY, subject=f"driver {entry.driver}", hint="it is flooded or hangs; ask again later")
        while True:
            answer = _match(line, call_id, entry)
            if answer is not None:
                return answer
            if self._directory.is_dead(entry.driver, entry.incarnation):
                self._drop(entry.driver)
                return None
            remaining_s = deadline_s - time.monotonic()
            if remaining_s <= 0:
                raise self._late(entry.driver, what.partition(".")[2])
            waiter.wait(remaining_s)
            self._news.take()

    @staticmethod
    def _late(driver: str, method: str) -> DeadlineExceeded:
        reason = f"{method} was not answered in time"
        return DeadlineExceeded(reason, subject=f"driver {driver}", hint="it may still be at it; `tierhost status` shows whether it hangs")

    def _line(self, entry: Entry) -> tuple[Line, AnswerOrNews]:
        known = self._lines.get(entry.driver)
        if known is not None and known[0].incarnation == entry.incarnation:
            return known[1], known[2]
        self._drop(entry.driver)
        line = self._sockets.line(entry.endpoint)
        waiter = AnswerOrNews(line, self._news.source())
        self._lines[entry.driver] = (entry, line, waiter)
        return line, waiter

    def _drop(self, driver: str) -> None:
        known = self._lines.pop(driver, None)
        if known is not None:
            known[1].close()

    def close(self) -> None:
        """Close this thread's sockets."""
        for driver in list(self._lines):
            self._drop(driver)


def _match(line: Line, call_id: bytes, entry: Entry) -> Answer | None:
    """Return the answer to this call; what else arrives answers a call that was given up."""
    while True:
        data = line.receive()
        if data is None:
            return None
        try:
            message = decode(data)
        except ProtocolError as error:
            reason = f"its answer is not in our language: {error.text}"
            raise ProtocolError(reason, subject=f"driver {entry.driver}") from None
        if isinstance(message, Reply | Failure) and message.call_id == call_id:
            return message


def error_of(failure: Failure) -> TierhostError:
    """Turn a Failure into the exception it stands for. A kind or code nobody knows stays an error all the same."""
    kind = KINDS.get(failure.kind, CallError)
    try:
        code = Code(failure.code)
    except ValueError:
        code = Code.INTERNAL_ERROR
    return kind(failure.text, code=code, subject=failure.subject, hint=failure.hint)


def failure_of(error: TierhostError, call_id: bytes, incarnation: int) -> Failure:
    """Turn an exception into the message that carries it."""
    kind = next((base.__name__ for base in type(error).__mro__ if base.__name__ in KINDS), CallError.__name__)
    return Failure(call_id, incarnation, kind, int(error.code), error.text, error.subject, error.hint)
