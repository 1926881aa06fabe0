"""A client of one host: for the command line, tests, drills and notebooks; follows who is up by itself."""

from __future__ import annotations

import itertools
import os
import time
from typing import TYPE_CHECKING, Any

from tierhost.ipc.calls import Caller, error_of
from tierhost.ipc.codec import decode, encode
from tierhost.ipc.directory import Directory, Entry
from tierhost.ipc.errors import DeadlineExceeded, PeerAbsent, ProtocolError
from tierhost.ipc.limits import CALL_DEADLINE_DEFAULT_S, CALL_DEADLINE_MAX_S
from tierhost.ipc.messages import Event, Failure, Reply, Request
from tierhost.ipc.sockets import Sockets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierhost.ipc.messages import Value
    from tierhost.ipc.paths import Root
    from tierhost.ipc.sockets import Listener

HOST_PATIENCE_S = 1.0
"""How long a question that changes nothing waits for one host before it is asked again: the host may be a new one."""

HOST_CHANGES = frozenset({"worker_restart", "worker_stop", "worker_release", "reload", "shutdown"})


class Client:
    """Not to be shared between threads. Works through restarts of workers and of the host."""

    def __init__(self, root: Root, *, deadline_s: float = CALL_DEADLINE_DEFAULT_S) -> None:
        """Connect to the host of `root`; raises PeerAbsent if none answers. `deadline_s` is for calls that name none."""
        self._root = root
        self._deadline_s = deadline_s
        self._prefix = os.urandom(8)
        self._numbers = itertools.count(1)
        self._directory = Directory()
        self._number = 0
        if not root.host_socket.exists():
            reason = f"no host runs on {root.run}"
            raise PeerAbsent(reason, hint="`tierhost up` starts one")
        self._sockets = Sockets()
        self._host = self._sockets.line(root.host_socket, immediate=True)
        # Listen first, then ask: what happens in between is heard, not missed.
        self._listener = self._sockets.listener(root.events_socket)
        self._caller = Caller(self._sockets, self._directory, self)
        try:
            self._snapshot(time.monotonic() + deadline_s)
        except DeadlineExceeded:
            self.close()
            reason = f"the host of {root.run} does not answer"
            raise PeerAbsent(reason, hint="is it running? `tierhost up` starts one") from None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every socket."""
        self._sockets.close()

    def call(self, method: str, *args: Value, deadline_s: float | None = None, changes: bool = True, **kwargs: Value) -> Any:
        """Call "driver.method" and return its answer. `deadline_s` counts from now.

        `changes=False` for what may be repeated freely. A change is repeated with its own call id only, so it is done
        once or the error says that nobody knows. Raises TierhostError and its kinds.
        """
        driver, _, name = method.partition(".")
        if driver == "host":
            return self.host(name, *args, deadline_s=deadline_s, **kwargs)
        end_s = time.monotonic() + (self._deadline_s if deadline_s is None else deadline_s)
        self.take()
        return self._caller.call(driver, name, args, kwargs, deadline_s=end_s, changes=changes)

    def host(self, method: str, *args: Value, deadline_s: float | None = None, **kwargs: Value) -> Any:
        """Ask the host itself: status, directory, story, events_since, worker_restart, ..., shutdown."""
        end_s = time.monotonic() + (self._deadline_s if deadline_s is None else deadline_s)
        while True:
            patience_s = min(end_s, time.monotonic() + HOST_PATIENCE_S) if method not in HOST_CHANGES else end_s
            try:
                return self._ask_host(method, args, kwargs, patience_s)
            except DeadlineExceeded:
                if time.monotonic() >= end_s:
                    raise

    def _ask_host(self, method: str, args: tuple[Value, ...], kwargs: dict[str, Value], end_s: float) -> Any:
        call_id = self._prefix + next(self._numbers).to_bytes(8, "big")
        remaining_s = min(max(end_s - time.monotonic(), 0.001), CALL_DEADLINE_MAX_S)
        data = encode(Request(call_id, 0, method, list(args), kwargs, remaining_s, "", 0, 1))
        while not self._host.send(data):
            if not self._host.wait_sendable(end_s - time.monotonic()):
                raise _no_answer(method)
        while True:
            received = self._host.receive()
            if received is None:
                if not self._host.wait(end_s - time.monotonic()):
                    raise _no_answer(method)
                continue
            answer = decode(received)
            if isinstance(answer, Failure) and answer.call_id == call_id:
                raise error_of(answer)
            if isinstance(answer, Reply) and answer.call_id == call_id:
                return answer.value

    # News of who is up (the caller waits on it).

    def source(self) -> Listener:
        return self._listener

    def take(self) -> None:
        """Bring the directory up to date with what was published."""
        for event in self._heard():
            if event.number != self._number + 1:
                # Something was missed, or another host has begun to count: ask for the whole picture.
                self._snapshot(time.monotonic() + HOST_PATIENCE_S, keep=event)
            self._number = event.number
            self._note(event)

    def _heard(self) -> Iterator[Event]:
        while True:
            data = self._listener.receive()
            if data is None:
                return
            message = decode(data)
            if isinstance(message, Event):
                yield message

    def _note(self, event: Event) -> None:
        if event.source != "host":
            return
        if event.kind == "peer-up":
            self._directory.up(_entry(event.details))
        elif event.kind == "peer-down":
            self._directory.down(str(event.details["driver"]), event.incarnation)

    def _snapshot(self, end_s: float, keep: Event | None = None) -> None:
        try:
            picture = self.host("directory", deadline_s=max(end_s - time.monotonic(), 0.001))
        except DeadlineExceeded:
            if keep is None:
                raise
            # The host is gone again. What was known stays: workers answer without it.
            return
        lives = {life["driver"]: _entry(life) for life in picture["lives"]}
        for known in self._directory.lives():
            up = lives.get(known.driver)
            if up is None or up.incarnation > known.incarnation:
                self._directory.down(known.driver, known.incarnation)
        for entry in lives.values():
            self._directory.up(entry)
        self._number = picture["number"]

    def events(self, since: int = 0, *, follow: bool = False, timeout_s: float | None = None) -> Iterator[Event]:
        """Yield the kept events after number `since`, then, with `follow`, what happens from now on."""
        last = since
        for row in self.host("events_since", since):
            last = row["number"]
            yield Event(**row)
        end_s = None if timeout_s is None else time.monotonic() + timeout_s
        while follow and (end_s is None or time.monotonic() < end_s):
            self._listener.wait(0.5 if end_s is None else min(0.5, max(0.0, end_s - time.monotonic())))
            for event in self._heard():
                self._note(event)
                self._number = event.number
                if event.number > last or event.number < last - 1:
                    last = event.number
                    yield event


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
