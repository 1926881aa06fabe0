"""Calling a driver: find its life, ask, and live through its death; every call has a deadline."""

from __future__ import annotations

import itertools
import math
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from tierhost.ipc.codec import decode, encode, legible
from tierhost.ipc.errors import (
    KINDS,
    Busy,
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
from tierhost.ipc.sockets import Waiter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tierhost.ipc.directory import Directory, Entry
    from tierhost.ipc.messages import Value
    from tierhost.ipc.sockets import Line, Pollable, Sockets

NO_FD = -1

ANSWERS_PER_LOOK_MAX = 64
"""Answers to other calls that are thrown away before the clock is looked at again: a peer that babbles is no hang."""


QUICK_S = 250e-6
SPIN_S = 150e-6
"""A life that answered its last call within QUICK_S is awaited awake, for SPIN_S at most: to be woken by the kernel takes
as long as such an answer. One that is slow or busy is awaited asleep: its processor time is better used by itself."""


class News(Protocol):
    """Where a caller hears who came up and who died while it waits."""

    def sources(self) -> Sequence[int | Pollable]:
        """Return what to wait on. Always the same."""

    def follow(self, driver: str) -> None:
        """Listen for this driver from now on."""

    def take(self) -> None:
        """Bring the directory up to date with what has arrived. Never waits."""

    def doubt(self, driver: str) -> float:
        """Note that the directory may be wrong about this driver: ask whoever knows. Never waits.

        Returns after how many seconds to doubt again.
        """


class WokenByLoop:
    """News for a thread whose process has a loop that keeps the directory: the loop writes an eventfd."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._fd = directory.watch()
        self._driver = ""

    def sources(self) -> Sequence[int | Pollable]:
        """Return the eventfd."""
        return (self._fd,)

    def follow(self, driver: str) -> None:
        """Have the eventfd written for this driver."""
        if driver != self._driver:
            self._driver = driver
            self._directory.follow(self._fd, driver)

    def take(self) -> None:
        """Take the wake-ups; the loop has changed the directory already."""
        try:
            os.eventfd_read(self._fd)
        except BlockingIOError:
            return

    def doubt(self, driver: str) -> float:
        """Do nothing: the loop is told everything there is to know."""
        return math.inf

    def close(self) -> None:
        """Give the eventfd back."""
        self._directory.unwatch(self._fd)


@dataclass(slots=True)
class _Way:
    """The way to one life: its line, and the kernel's word on its death, which needs no host."""

    entry: Entry
    line: Line
    pidfd: int
    waiter: Waiter
    quick: bool = False

    def close(self) -> None:
        self.line.close()
        if self.pidfd != NO_FD:
            os.close(self.pidfd)


class Caller:
    """One thread's way to other drivers. Not to be shared: its sockets belong to the thread that made it."""

    def __init__(self, sockets: Sockets, directory: Directory, news: News, *, name: str = "", incarnation: int = 0) -> None:
        """`name`, `incarnation`: the life that calls, empty for a client; the callee believes the kernel, not this."""
        self._sockets = sockets
        self._directory = directory
        self._news = news
        self._who = (name, incarnation)
        self._ways: dict[str, _Way] = {}
        self._waiter = Waiter(news.sources())
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
        call id for what does, so that a recorded answer is found. Raises what the callee raised, or Busy (never sent),
        PeerAbsent (never sent), PeerDied (changed nothing), DeadlineExceeded, OutcomeUnknown; NotInLanguage for
        arguments that cannot travel.
        """
        call_id = call_id or self._prefix + next(self._numbers).to_bytes(8, "big")
        self._news.follow(driver)
        sent = False
        for attempt in itertools.count(1):
            entry = self._directory.find(driver) or self._wait_for(driver, deadline_s, sent=sent, changes=changes)
            remaining_s = min(deadline_s - time.monotonic(), CALL_DEADLINE_MAX_S)
            if remaining_s <= 0:
                raise _late(driver, method)
            request = Request(
                call_id, entry.incarnation, method, list(args), dict(kwargs or {}), remaining_s, *self._who, attempt
            )
            answer = self._ask(entry, request, deadline_s)
            if isinstance(answer, Reply):
                return answer.value
            if isinstance(answer, Failure):
                if answer.kind != PeerDied.__name__ or answer.incarnation == entry.incarnation:
                    raise error_of(answer)
                # Somebody else lives there: whoever we meant is gone, and did not take it.
                self._bury(entry)
            else:
                sent = True
        raise AssertionError

    def _wait_for(self, driver: str, deadline_s: float, *, sent: bool, changes: bool) -> Entry:
        """Wait for a life to come up."""
        while True:
            again_s = self._news.doubt(driver)
            remaining_s = deadline_s - time.monotonic()
            if remaining_s <= 0:
                raise _nobody(driver, sent=sent, changes=changes)
            self._waiter.wait(min(remaining_s, again_s))
            self._news.take()
            entry = self._directory.find(driver)
            if entry is not None:
                return entry

    def _ask(self, entry: Entry, request: Request, deadline_s: float) -> Answer | None:
        """Send and wait. None: that life is over, and nobody knows how far it got."""
        way = self._way(entry)
        if not way.line.send(encode(request)):
            reason = "it does not take requests"
            raise Busy(reason, subject=f"driver {entry.driver}", hint="it is flooded or hangs; ask again later")
        now_s = start_s = time.monotonic()
        ready: Sequence[object] = ()
        awake = way.quick and way.line.comes_within(min(SPIN_S, deadline_s - now_s))
        while True:
            if not awake:
                if now_s >= deadline_s:
                    raise _late(entry.driver, request.method)
                again_s = math.inf if way.pidfd != NO_FD else self._news.doubt(entry.driver)
                ready = way.waiter.wait(min(deadline_s - now_s, again_s))
            answer = _match(way, request)
            now_s = time.monotonic()
            if answer is not None:
                way.quick = now_s - start_s < QUICK_S
                return answer
            awake = False
            if way.pidfd in ready:
                self._bury(entry)
            self._news.take()
            if self._directory.is_dead(entry.driver, entry.incarnation):
                self._drop(entry.driver)
                return None

    def _bury(self, entry: Entry) -> None:
        self._directory.down(entry.driver, entry.incarnation)
        self._drop(entry.driver)

    def _way(self, entry: Entry) -> _Way:
        way = self._ways.get(entry.driver)
        if way is not None and way.entry.incarnation == entry.incarnation:
            return way
        self._drop(entry.driver)
        line = self._sockets.line(entry.endpoint)
        pidfd = _pidfd(entry.pid)
        own = [line] if pidfd == NO_FD else [line, pidfd]
        way = _Way(entry, line, pidfd, Waiter([*own, *self._news.sources()]))
        self._ways[entry.driver] = way
        return way

    def _drop(self, driver: str) -> None:
        way = self._ways.pop(driver, None)
        if way is not None:
            way.close()

    def close(self) -> None:
        """Close this thread's sockets."""
        for driver in list(self._ways):
            self._drop(driver)


def _pidfd(pid: int) -> int:
    """Open the process of a life. Where that fails (another pid namespace, no descriptors left) the host's word must do."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        return NO_FD


def _match(way: _Way, request: Request) -> Answer | None:
    """Return the answer to this request; what else arrives answers a call that was given up."""
    for _ in range(ANSWERS_PER_LOOK_MAX):
        data = way.line.receive()
        if data is None:
            return None
        try:
            message = decode(data)
        except ProtocolError as error:
            reason = f"the answer to {request.method} is not in our language: {error.text}"
            raise ProtocolError(reason, subject=f"driver {way.entry.driver}") from None
        if isinstance(message, Reply | Failure) and message.call_id == request.call_id:
            return message
    return None


def _late(driver: str, method: str) -> DeadlineExceeded:
    reason = f"{method} was not answered in time"
    return DeadlineExceeded(reason, subject=f"driver {driver}", hint="it may still be at it; `tierhost status` shows if it hangs")


def _nobody(driver: str, *, sent: bool, changes: bool) -> CallError:
    subject = f"driver {driver}"
    if not sent:
        return PeerAbsent("it has no life that can be called", subject=subject, hint="`tierhost status` says why")
    reason = "the worker died while it had the request, and no next life came up in time"
    if changes:
        return OutcomeUnknown(f"{reason} to say what became of it", subject=subject, hint="look at the object first")
    return PeerDied(f"{reason} to be asked again", subject=subject, hint="`tierhost status` says why; ask again later")


def error_of(failure: Failure) -> TierhostError:
    """Turn a Failure into the exception it stands for. A kind or code nobody knows stays an error all the same."""
    kind = KINDS.get(failure.kind, CallError)
    try:
        code = Code(failure.code)
    except ValueError:
        code = Code.INTERNAL_ERROR
    return kind(failure.text, code=code, subject=failure.subject, hint=failure.hint)


def failure_of(error: TierhostError, call_id: bytes, incarnation: int) -> Failure:
    """Turn an exception into the message that carries it. Whatever its texts are, it can be encoded."""
    kind = next((base.__name__ for base in type(error).__mro__ if base.__name__ in KINDS), CallError.__name__)
    return Failure(call_id, incarnation, kind, int(error.code), legible(error.text), legible(error.subject), legible(error.hint))
