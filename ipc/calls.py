"""Calling a driver: find its life, ask, and live through its death; every call has a deadline."""

from __future__ import annotations

import itertools
import math
import os
import select
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from tierhost.ipc.codec import decode, encode
from tierhost.ipc.errors import (
    Busy,
    CallError,
    DeadlineExceeded,
    OutcomeUnknown,
    PeerAbsent,
    PeerDied,
    ProtocolError,
)
from tierhost.ipc.failures import error_of
from tierhost.ipc.limits import CALL_DEADLINE_MAX_S
from tierhost.ipc.messages import Answer, Failure, Reply, Request
from tierhost.ipc.sockets import Waiter
from tierhost.ipc.wires import Closed, Wire

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tierhost.ipc.directory import Directory, Entry
    from tierhost.ipc.messages import Value
    from tierhost.ipc.sockets import Pollable

NO_FD = -1

LAST_BREATH_S = 1.0
"""How long after the end of its connection a dying process may take to be dead."""


class News(Protocol):
    """Where a caller hears who came up and who died while it waits."""

    def sources(self) -> Sequence[int | Pollable]:
        """Return what to wait on. Always the same."""

    def follow(self, driver: str) -> None:
        """Listen for this driver from now on."""

    def take(self) -> None:
        """Bring the directory up to date with what has arrived. Never waits."""

    def doubt(self, driver: str) -> float:
        """Note that the directory may be wrong here: ask whoever knows. Never waits; returns when to doubt again (seconds)."""


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
    """The way to one life: its wire, and the kernel's word on its death."""

    entry: Entry
    wire: Wire
    pidfd: int

    def is_dead(self, wait_s: float) -> bool:
        """Whether its process has ended, after waiting for that. Where nobody can tell, the end of the wire counts."""
        if self.pidfd == NO_FD:
            return True
        poller = select.poll()
        poller.register(self.pidfd, select.POLLIN)
        return bool(poller.poll(wait_s * 1000))

    def close(self) -> None:
        self.wire.close()
        if self.pidfd != NO_FD:
            os.close(self.pidfd)


class Caller:
    """One thread's way to other drivers. Not to be shared: its sockets belong to the thread that made it."""

    def __init__(self, directory: Directory, news: News, *, name: str = "", incarnation: int = 0) -> None:
        """`name`, `incarnation`: the life that calls, empty for a client; the callee believes the kernel, not this."""
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
        attempt_first: int = 1,
    ) -> Any:
        """Call `driver.method` and return its answer, at the latest at `deadline_s` (CLOCK_MONOTONIC).

        When the life that has the request dies, the next one is asked: again for what changes nothing; with the same
        call id for what does, so that a recorded answer is found. Raises what the callee raised, or Busy (never sent),
        PeerAbsent (never sent), PeerDied (changed nothing), DeadlineExceeded, OutcomeUnknown; NotInLanguage for
        arguments that cannot travel. `attempt_first` above 1: somebody may have sent this very call before.
        """
        call_id = call_id or self._prefix + next(self._numbers).to_bytes(8, "big")
        self._news.follow(driver)
        sent = False
        for attempt in itertools.count(attempt_first):
            entry = self._directory.find(driver) or self._wait_for(driver, deadline_s, sent=sent, changes=changes)
            remaining_s = min(deadline_s - time.monotonic(), CALL_DEADLINE_MAX_S)
            if remaining_s <= 0:
                raise _late(driver, method)
            way = self._way(entry)
            if way is None:
                continue
            request = Request(
                call_id, entry.incarnation, method, list(args), dict(kwargs or {}), remaining_s, *self._who, attempt
            )
            answer = self._ask(way, request, deadline_s)
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

    def _ask(self, way: _Way, request: Request, deadline_s: float) -> Answer | None:
        """Send and wait. None: that life is over, and nobody knows how far it got."""
        entry = way.entry
        try:
            if not way.wire.send(encode(request), deadline_s):
                self._drop(entry.driver)
                reason = "it does not take requests"
                raise Busy(reason, subject=f"driver {entry.driver}", hint="it is flooded or hangs; ask again later")
            return self._wait_for_answer(way, request, deadline_s)
        except Closed:
            self._see_why_closed(way, deadline_s)
            return None
        except ProtocolError:
            self._drop(entry.driver)
            raise

    def _wait_for_answer(self, way: _Way, request: Request, deadline_s: float) -> Answer | None:
        entry = way.entry
        while True:
            data = way.wire.receive(deadline_s)
            if data is not None:
                answer = _match(way, request, data)
                if answer is not None:
                    return answer
            elif self._is_over(way):
                return None
            if time.monotonic() >= deadline_s:
                raise _late(entry.driver, request.method)

    def _is_over(self, way: _Way) -> bool:
        """A death is heard by the end of the wire; but a process that the kernel holds on to keeps its end open."""
        entry = way.entry
        self._news.take()
        if self._directory.is_dead(entry.driver, entry.incarnation):
            self._drop(entry.driver)
            return True
        if way.pidfd == NO_FD:
            self._news.doubt(entry.driver)
        return False

    def _see_why_closed(self, way: _Way, deadline_s: float) -> None:
        """The other end is gone: that life is over, or (Busy) it let go of us."""
        entry = way.entry
        if way.is_dead(max(0.0, min(LAST_BREATH_S, deadline_s - time.monotonic()))):
            self._bury(entry)
            return
        self._drop(entry.driver)
        reason = "it lives, and has ended our connection"
        raise Busy(reason, subject=f"driver {entry.driver}", hint="it has too many callers; ask again later")

    def _bury(self, entry: Entry) -> None:
        self._directory.down(entry.driver, entry.incarnation)
        self._drop(entry.driver)

    def _way(self, entry: Entry) -> _Way | None:
        """Return the way to a life, connected. None: nobody is there any more."""
        way = self._ways.get(entry.driver)
        if way is not None and way.entry.incarnation == entry.incarnation:
            return way
        self._drop(entry.driver)
        try:
            wire = Wire(entry.endpoint)
        except BlockingIOError:
            reason = "it does not answer its door"
            raise Busy(reason, subject=f"driver {entry.driver}", hint="it is flooded or hangs; ask again later") from None
        except Closed:
            self._bury(entry)
            return None
        way = self._ways[entry.driver] = _Way(entry, wire, _pidfd(entry.pid))
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


def _match(way: _Way, request: Request, data: bytes) -> Answer | None:
    """Return the answer to this request; what else arrives answers a call that was given up."""
    try:
        message = decode(data)
    except ProtocolError as error:
        reason = f"the answer to {request.method} is not in our language: {error.text}"
        raise ProtocolError(reason, subject=f"driver {way.entry.driver}") from None
    if isinstance(message, (Reply, Failure)) and message.call_id == request.call_id:
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
