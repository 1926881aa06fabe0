"""A client of one host: for the command line, tests, drills and notebooks; follows who is up by itself."""

from __future__ import annotations

import itertools
import math
import os
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Self, TypeVar

from tierhost.ipc.calls import Caller, error_of
from tierhost.ipc.codec import NotInLanguage, decode, encode
from tierhost.ipc.directory import Directory, Entry
from tierhost.ipc.endpoints import somebody_listens
from tierhost.ipc.errors import CallError, Code, DeadlineExceeded, OutcomeUnknown, PeerAbsent, ProtocolError, TierhostError
from tierhost.ipc.limits import CALL_DEADLINE_DEFAULT_S, CALL_DEADLINE_MAX_S
from tierhost.ipc.messages import Event, Failure, Reply, Request
from tierhost.ipc.sockets import Sockets, Waiter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tierhost.ipc.messages import Answer, Value
    from tierhost.ipc.paths import Root
    from tierhost.ipc.sockets import Pollable

Found = TypeVar("Found")

HOST_PATIENCE_S = 1.0
"""How long a question that changes nothing waits for one host before it is asked again: the host may be a new one."""

LOOK_AGAIN_S = 0.25
"""How often a client that waits for a driver asks the host for the whole picture: it may not have heard the news."""

HOST_CHANGES = frozenset({"worker_restart", "worker_stop", "worker_release", "reload", "shutdown"})
"""What the host is asked once only."""

FOLLOWED_MAX = 10_000
"""Events kept for an iterator that is not read."""


class Client:
    """Not to be shared between threads. Works through restarts of workers and of the host."""

    def __init__(self, root: Root, *, deadline_s: float = CALL_DEADLINE_DEFAULT_S) -> None:
        """Connect to the host of `root`; raises PeerAbsent if none answers. `deadline_s` is for calls that name none."""
        if not somebody_listens(root.host_socket):
            reason = f"no host runs on {root.run}"
            raise PeerAbsent(reason, hint="`tierhost up` starts one")
        self._root = root
        self._deadline_s = deadline_s
        self._prefix = os.urandom(8)
        self._numbers = itertools.count(1)
        self._directory = Directory()
        self._number = 0
        self._came_up: dict[str, int] = {}
        self._picture_id = b""
        self._picture_asked_s = 0.0
        self._awaited_id = b""
        self._answer: Answer | None = None
        self._followers: list[deque[Event]] = []
        self._sockets = Sockets()
        self._host = self._sockets.line(root.host_socket, immediate=True)
        # Listen first, then ask: what happens in between is heard, not missed.
        self._listener = self._sockets.listener(root.events_socket)
        self._waiter = Waiter(self.sources())
        self._caller = Caller(self._sockets, self._directory, self)
        try:
            self._look(self.host("directory"))
        except DeadlineExceeded:
            self.close()
            reason = f"the host of {root.run} does not answer"
            raise PeerAbsent(reason, hint="it hangs, or has just died; `tierhost up` starts one") from None
        except TierhostError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every socket."""
        self._caller.close()
        self._sockets.close()

    # Asking.

    def call(self, method: str, *args: Value, deadline_s: float | None = None, changes: bool = True, **kwargs: Value) -> Any:
        """Call "driver.method" and return its answer. `deadline_s` counts from now.

        `changes=False` for what may be repeated freely. A change is repeated with its own call id only, so it is done
        once or the error says that nobody knows. Raises TierhostError and its kinds.
        """
        driver, dot, name = method.partition(".")
        if not dot or not driver or not name:
            reason = f"'{method:.80}' names no method"
            raise CallError(reason, code=Code.INVALID_ARG, hint="say DRIVER.METHOD")
        if driver == "host":
            return self.host(name, *args, deadline_s=deadline_s, **kwargs)
        end_s = self._end_s(deadline_s)
        self.take()
        try:
            return self._caller.call(driver, name, args, kwargs, deadline_s=end_s, changes=changes)
        except NotInLanguage as error:
            raise CallError(str(error), code=Code.INVALID_ARG, subject=f"driver {driver}") from None

    def host(self, method: str, *args: Value, deadline_s: float | None = None, **kwargs: Value) -> Any:
        """Ask the host itself: status, directory, story, events_since, worker_restart, ..., shutdown."""
        end_s = self._end_s(deadline_s)
        if method in HOST_CHANGES:
            return self._change_host(method, args, kwargs, end_s)
        while True:
            try:
                return self._ask_host(method, args, kwargs, min(end_s, time.monotonic() + HOST_PATIENCE_S))
            except DeadlineExceeded:
                if time.monotonic() >= end_s:
                    raise

    def _end_s(self, deadline_s: float | None) -> float:
        return time.monotonic() + (self._deadline_s if deadline_s is None else deadline_s)

    def _change_host(self, method: str, args: tuple[Value, ...], kwargs: dict[str, Value], end_s: float) -> Any:
        host_fd = self._host_fd()
        try:
            return self._ask_host(method, args, kwargs, end_s, host_fd)
        finally:
            if host_fd >= 0:
                os.close(host_fd)

    def _host_fd(self) -> int:
        """Return a pidfd of the host, or -1 if it is not to be had: then its death shows at the deadline only."""
        try:
            return os.pidfd_open(int(self._root.lock.read_text(encoding="ascii")))
        except (OSError, ValueError):
            return -1

    def _ask_host(self, method: str, args: tuple[Value, ...], kwargs: dict[str, Value], end_s: float, host_fd: int = -1) -> Any:
        """Ask once. `host_fd`: give up when this host is dead."""
        data = self._request(method, args, kwargs, end_s)
        while not self._host.send(data):
            if not self._host.wait_sendable(end_s - time.monotonic()):
                raise _no_answer(method)
        waiter = self._waiter if host_fd < 0 else Waiter([*self.sources(), host_fd])
        while True:
            remaining_s = end_s - time.monotonic()
            if remaining_s <= 0:
                raise _no_answer(method)
            died = host_fd in waiter.wait(remaining_s) and not self._host.wait(0)
            self.take()
            answer, self._answer = self._answer, None
            if isinstance(answer, Failure):
                raise error_of(answer)
            if answer is not None:
                return answer.value
            if died:
                reason = f"it ended before it answered {method}"
                raise OutcomeUnknown(reason, subject="host", hint="`tierhost status` says whether another one runs")

    def _request(self, method: str, args: tuple[Value, ...], kwargs: dict[str, Value], end_s: float) -> bytes:
        self._awaited_id = self._next_id()
        self._answer = None
        remaining_s = min(max(end_s - time.monotonic(), 0.001), CALL_DEADLINE_MAX_S)
        try:
            return encode(Request(self._awaited_id, 0, method, list(args), kwargs, remaining_s, "", 0, 1))
        except NotInLanguage as error:
            raise CallError(str(error), code=Code.INVALID_ARG, subject="host") from None

    def _next_id(self) -> bytes:
        return self._prefix + next(self._numbers).to_bytes(8, "big")

    # News of who is up, for the caller and for ourselves.

    def sources(self) -> Sequence[int | Pollable]:
        """Return what to wait on."""
        return self._listener, self._host

    def follow(self, driver: str) -> None:
        """Do nothing: the listener hears of every driver."""

    def doubt(self, driver: str) -> float:
        """Ask the host for the whole picture, if it listens; return after how many seconds to doubt again."""
        now_s = time.monotonic()
        if now_s >= self._picture_asked_s + LOOK_AGAIN_S:
            picture_id = self._next_id()
            if self._host.send(encode(Request(picture_id, 0, "directory", [], {}, HOST_PATIENCE_S, "", 0, 1))):
                self._picture_id = picture_id
            self._picture_asked_s = now_s
        return LOOK_AGAIN_S

    def take(self) -> None:
        """Take what has arrived: events, and the host's answers."""
        for event in self._heard():
            self._note(event)
        while (data := self._host.receive()) is not None:
            answer = decode(data)
            if not isinstance(answer, Reply | Failure):
                continue
            if answer.call_id == self._awaited_id:
                self._answer = answer
            elif answer.call_id == self._picture_id and isinstance(answer, Reply):
                self._look(answer.value)

    def _heard(self) -> Iterator[Event]:
        while (data := self._listener.receive()) is not None:
            message = decode(data)
            if isinstance(message, Event):
                yield message

    def _note(self, event: Event) -> None:
        if event.number > self._number + 1:
            # Something was missed, or another host has begun to count.
            self.doubt("")
        self._number = max(self._number, event.number)
        if event.source == "host" and event.kind == "peer-up":
            entry = _entry(event.details)
            self._came_up[entry.driver] = event.number
            self._directory.up(entry)
        elif event.source == "host" and event.kind == "peer-down":
            self._directory.down(str(event.details["driver"]), event.incarnation)
        for follower in self._followers:
            follower.append(event)

    def _look(self, picture: Any) -> None:
        """Bring the directory in line with the host's whole picture."""
        try:
            number = int(picture["number"])
            lives = {entry.driver: entry for entry in map(_entry, picture["lives"])}
        except (KeyError, TypeError, ValueError) as error:
            reason = f"the host's directory is not readable: {error}"
            raise ProtocolError(reason) from None
        for known in self._directory.lives():
            # What came up since is not in the picture yet.
            if known.driver not in lives and self._came_up.get(known.driver, 0) <= number:
                self._directory.down(known.driver, known.incarnation)
        for entry in lives.values():
            self._directory.up(entry)
        self._number = max(self._number, number)

    # What happens.

    def events(self, since: int = 0, *, follow: bool = False, timeout_s: float | None = None) -> Iterator[Event]:
        """Yield the kept events after number `since`, then, with `follow`, what happens from now on (for `timeout_s`)."""
        end_s = math.inf if timeout_s is None else time.monotonic() + timeout_s
        heard: deque[Event] = deque(maxlen=FOLLOWED_MAX)
        self._followers.append(heard)
        try:
            last = since
            for event in self._kept(since):
                last = event.number
                yield event
            while follow and time.monotonic() < end_s:
                for event in self._gapless(heard, last):
                    last = event.number
                    yield event
                self._waiter.wait(min(LOOK_AGAIN_S, end_s - time.monotonic()))
                self.take()
        finally:
            self._followers.remove(heard)

    def _gapless(self, heard: deque[Event], last: int) -> Iterator[Event]:
        """Yield what was heard after number `last`, and what was not heard but kept by the host."""
        while heard:
            event = heard.popleft()
            missed = self._kept(last) if event.number > last + 1 else iter(())
            for each in (*missed, event):
                if each.number > last:
                    last = each.number
                    yield each

    def _kept(self, since: int) -> Iterator[Event]:
        for row in self.host("events_since", since):
            yield Event(**row)

    def wait_until(self, condition: Callable[[], Found | None], what: str, *, deadline_s: float | None = None) -> Found:
        """Return the condition's first true value; it is looked at again whenever something happens.

        Raises DeadlineExceeded, which says `what` was waited for.
        """
        end_s = self._end_s(deadline_s)
        while True:
            found = condition()
            if found:
                return found
            remaining_s = end_s - time.monotonic()
            if remaining_s <= 0:
                reason = f"this did not come about in time: {what}"
                raise DeadlineExceeded(reason, subject="host", hint="`tierhost status` shows how things are")
            self._waiter.wait(min(LOOK_AGAIN_S, remaining_s))
            self.take()


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
