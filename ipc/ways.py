"""Ways to another host: one call at a time, over CURVE to another machine or over UNIX sockets to a root on this one."""

from __future__ import annotations

import itertools
import os
import select
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

from tierhost.ipc.client import Client
from tierhost.ipc.codec import decode, encode
from tierhost.ipc.curve import CurveLine, End
from tierhost.ipc.endpoints import somebody_listens
from tierhost.ipc.errors import AccessDenied, CallError, Code, DeadlineExceeded, OutcomeUnknown, PeerAbsent, ProtocolError
from tierhost.ipc.failures import error_of
from tierhost.ipc.limits import CALL_DEADLINE_MAX_S
from tierhost.ipc.messages import Failure, Reply, Request
from tierhost.ipc.paths import PathTooLong

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tierhost.ipc.curve import Lines
    from tierhost.ipc.messages import Value
    from tierhost.ipc.paths import Root

GREETING: Final = "door.greet"
"""The method by which a door says that it is there, and how it is."""

CONNECT_S: Final = 3.0
PAUSE_FIRST_S: Final = 0.02
PAUSE_MAX_S: Final = 0.5
LOOK_UP_S: Final = 0.25
SEEN_BEFORE: Final = 2
"""A call that is forwarded may have been forwarded before, by a life that died: so the callee always looks at its record."""


class Way(Protocol):
    """What both kinds can. For one thread at a time."""

    def ask(
        self, method: str, args: Sequence[Value], kwargs: Mapping[str, Value], *, call_id: bytes, end_s: float, changes: bool
    ) -> Any:
        """Call "driver.method" there, until `end_s` (CLOCK_MONOTONIC). Raises what it raised there, or a CallError."""

    def greet(self, end_s: float) -> None:
        """Return if the other side is there and answers. Raises CallError."""

    def linger(self, seconds: float, wake_fd: int) -> None:
        """Wait, until the connection shows that it is lost or `wake_fd` can be read."""

    def close(self) -> None:
        """Close it."""


class TcpWay:
    """To a door on another machine. Its calls survive the loss of the connection, within their deadline."""

    def __init__(self, lines: Lines, address: str, secret: str, servers: Sequence[str]) -> None:
        """`servers`: the public keys that may be the door's; more than one while it changes its key."""
        self._lines = lines
        self._address = address
        self._secret = secret
        self._servers = tuple(servers)
        self._line: CurveLine | None = None
        self._prefix = os.urandom(8)
        self._numbers = itertools.count(1)

    def ask(
        self, method: str, args: Sequence[Value], kwargs: Mapping[str, Value], *, call_id: bytes, end_s: float, changes: bool
    ) -> Any:
        """See Way. A change whose fate nobody knows at the end is an OutcomeUnknown."""
        sent = False
        pause_s = PAUSE_FIRST_S
        for attempt in itertools.count(SEEN_BEFORE):
            remaining_s = min(end_s - time.monotonic(), CALL_DEADLINE_MAX_S)
            if remaining_s <= 0:
                raise self._unfinished(method, sent=sent, changes=changes)
            try:
                line = self._connected(min(end_s, time.monotonic() + CONNECT_S))
            except CallError:
                if not sent:
                    raise
                self._rest(min(pause_s, remaining_s))
                pause_s = min(2 * pause_s, PAUSE_MAX_S)
                continue
            request = Request(call_id, 0, method, list(args), dict(kwargs), remaining_s, "", 0, attempt)
            if line.send(encode(request), end_s):
                sent = True
                answer = self._answer(line, request, end_s)
                if isinstance(answer, Failure):
                    raise error_of(answer)
                if answer is not None:
                    return answer.value
                if line.end is None:
                    raise self._late(method)
            self.close()
        raise AssertionError

    def _answer(self, line: CurveLine, request: Request, end_s: float) -> Reply | Failure | None:
        """Wait for the answer. None: the time is up, or the line has ended."""
        while True:
            while (data := line.receive()) is not None:
                try:
                    message = decode(data)
                except ProtocolError as error:
                    self.close()
                    raise ProtocolError(f"an answer that is not in our language: {error.text}", subject=self._address) from None
                if isinstance(message, Reply | Failure) and message.call_id == request.call_id:
                    return message
            if line.end is not None or time.monotonic() >= end_s:
                return None
            line.wait(end_s)

    def _connected(self, end_s: float) -> CurveLine:
        """Return a line that is connected. Raises AccessDenied or PeerAbsent."""
        if self._line is not None and self._line.end is None and self._line.connected:
            return self._line
        end = None
        for server in self._servers:
            self.close()
            try:
                self._line = line = self._lines.line(self._address, self._secret, server)
            except OSError as error:
                raise PeerAbsent(f"it cannot be reached: {error.strerror}", subject=self._address) from None
            while not line.connected and line.end is None and time.monotonic() < end_s:
                line.wait(end_s)
            if line.connected:
                return line
            end = line.end
            if end is not End.BROKEN_OFF:
                break
        self.close()
        raise _refusal(end, self._address)

    def _rest(self, seconds: float) -> None:
        select.select([], [], [], seconds)

    def _late(self, method: str) -> DeadlineExceeded:
        return DeadlineExceeded(f"{method} was not answered in time", subject=self._address, hint="it may still be at it")

    def _unfinished(self, method: str, *, sent: bool, changes: bool) -> CallError:
        if sent and changes:
            reason = f"the connection was lost while {method} was under way, and was not back in time to say what became of it"
            return OutcomeUnknown(reason, subject=self._address, hint="look at the object first")
        return self._late(method)

    def greet(self, end_s: float) -> None:
        """See Way."""
        call_id = self._prefix + next(self._numbers).to_bytes(8, "big")
        self._connected(min(end_s, time.monotonic() + CONNECT_S))
        self.ask(GREETING, (), {}, call_id=call_id, end_s=end_s, changes=False)

    def linger(self, seconds: float, wake_fd: int) -> None:
        """See Way."""
        end_s = time.monotonic() + seconds
        while self._line is not None and self._line.end is None and (now_s := time.monotonic()) < end_s:
            if select.select([wake_fd], [], [], 0)[0]:
                return
            self._line.wait(min(end_s, now_s + LOOK_UP_S))

    def close(self) -> None:
        """See Way."""
        if self._line is not None:
            self._line.close()
            self._line = None


class UnixWay:
    """To a root on this machine. The kernel tells the other side who we are."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._client: Client | None = None

    def ask(
        self, method: str, args: Sequence[Value], kwargs: Mapping[str, Value], *, call_id: bytes, end_s: float, changes: bool
    ) -> Any:
        """See Way."""
        driver, _, name = method.partition(".")
        client = self._connected(end_s)
        return client.forward(driver, name, args, kwargs, end_s=end_s, changes=changes, call_id=call_id, attempt=SEEN_BEFORE)

    def _connected(self, end_s: float) -> Client:
        if self._client is None:
            try:
                self._client = Client(self._root, deadline_s=max(0.05, min(CONNECT_S, end_s - time.monotonic())))
            except (OSError, PathTooLong) as error:
                raise PeerAbsent(f"it cannot be reached: {error}", subject=str(self._root.run)) from None
        return self._client

    def greet(self, end_s: float) -> None:
        """See Way."""
        if not somebody_listens(self._root.host_socket):
            raise PeerAbsent(f"no host runs on {self._root.run}", subject=str(self._root.run), hint="`tierhost up` starts one")
        client = self._connected(end_s)
        client.host("directory", deadline_s=max(0.05, end_s - time.monotonic()))

    def linger(self, seconds: float, wake_fd: int) -> None:
        """See Way."""
        fds = [wake_fd]
        # Without it, its death shows at the next greeting.
        with suppress(OSError, ValueError):
            fds.append(os.pidfd_open(int(self._root.lock.read_text(encoding="ascii"))))
        try:
            select.select(fds, [], [], seconds)
        finally:
            for fd in fds[1:]:
                os.close(fd)

    def close(self) -> None:
        """See Way."""
        if self._client is not None:
            self._client.close()
            self._client = None


def _refusal(end: End | None, address: str) -> CallError:
    if end in {End.UNLISTED, End.BROKEN_OFF}:
        hint = "`tierhost remote-key list` on both sides shows which keys there are, `remote-key allow` lets one in"
        return AccessDenied(end.value, code=Code.AUTH_FAILED, subject=address, hint=hint)
    text = "nobody finished the handshake in time" if end is None else end.value
    return PeerAbsent(text, subject=address, hint="is the host up, and does it listen there?")
