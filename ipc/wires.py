"""Calls travel over plain UNIX streams, one hop and no thread between: a length, a message; the caller by the kernel's word."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from tierhost.ipc.credentials import PeerCredentials
from tierhost.ipc.doors import Door
from tierhost.ipc.frames import TooLarge, Unframer, framed
from tierhost.ipc.limits import FRAME_BYTES_MAX

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

CREDENTIALS: Final = struct.Struct("3i")
TIMEVAL: Final = struct.Struct("ll")
ACCEPTED_PER_LOOK_MAX: Final = 64
CONNECTIONS_MAX: Final = 1024
"""Callers that one life has at the same time, a thread each; the next one is turned away."""

UNREAD_BYTES_MAX: Final = 2 * FRAME_BYTES_MAX
"""Answers kept for a caller that does not read. It is let go of when there are more."""

GUESSES_MAX: Final = 16
"""Who asked twice in a row mostly asks a third time: so often it is read before the kernel is asked who else has something."""

LOOK_UP_S: Final = 0.25
"""How long a wire waits in one go; whoever waits longer looks around in between."""


class Closed(Exception):  # it is news, not an error: what it means is for the caller to find out
    """Raised when the other end is gone: it died, or let go of us."""


def peer_of(connected: socket.socket) -> PeerCredentials:
    """Who is at the other end: whoever connected, or listened, when the connection was made (SO_PEERCRED)."""
    pid, uid, gid = CREDENTIALS.unpack(connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size))
    return PeerCredentials(uid, gid, pid)


class _Connection:
    """One caller of a gate."""

    __slots__ = ("number", "peer", "raw", "unframer", "unread")

    def __init__(self, raw: socket.socket, number: bytes) -> None:
        self.raw = raw
        self.number = number
        self.peer = peer_of(raw)
        self.unframer = Unframer()
        self.unread = bytearray()


class Gate:
    """Where one life is called. For the loop's thread; never waits for anybody."""

    def __init__(self, path: Path | str) -> None:
        """Listen. Raises AddressInUse, or OSError if the path cannot be used."""
        self.path = str(path)
        self.malformed = 0
        self.malformed_by: PeerCredentials | None = None
        self._door = Door(self.path)
        self._epoll = select.epoll()
        self._epoll.register(self._door, select.EPOLLIN)
        self._by_fd: dict[int, _Connection] = {}
        self._by_number: dict[bytes, _Connection] = {}
        self._numbers = 0
        self._arrived: deque[tuple[bytes, PeerCredentials, bytes]] = deque()
        self._looked = False
        self._latest: _Connection | None = None
        self._guesses = 0

    def fileno(self) -> int:
        """Return what becomes readable when somebody calls."""
        return self._epoll.fileno()

    def is_readable(self, *, moved: bool = False) -> bool:
        """Whether there is something to receive: read from the kernel already, or in it (`moved`: its descriptor says so)."""
        return moved or bool(self._arrived)

    def receive(self) -> tuple[bytes, PeerCredentials, bytes] | None:
        """Return caller, sender and data of the next message; None when there is none. The kernel is asked once a turn."""
        if not self._arrived:
            self._looked = not self._looked
            if self._looked:
                self._look()
        if self._arrived:
            return self._arrived.popleft()
        self._looked = False
        return None

    def _look(self) -> None:
        if self._guesses and self._latest is not None:
            self._guesses -= 1
            self._exchange(self._latest)
            if self._arrived:
                return
            self._guesses = 0
        ready = self._epoll.poll(0)
        for fd, _ in ready:
            connection = self._by_fd.get(fd)
            if connection is None:
                self._accept()
                continue
            self._guesses = GUESSES_MAX if connection is self._latest and len(ready) == 1 else 0
            self._latest = connection
            self._exchange(connection)

    def _accept(self) -> None:
        for _ in range(ACCEPTED_PER_LOOK_MAX):
            raw = self._door.accept()
            if raw is None:
                return
            if len(self._by_fd) >= CONNECTIONS_MAX:
                raw.close()
                continue
            self._numbers += 1
            connection = _Connection(raw, self._numbers.to_bytes(8, "big"))
            self._by_fd[raw.fileno()] = self._by_number[connection.number] = connection
            self._epoll.register(raw, select.EPOLLIN)

    def _exchange(self, connection: _Connection) -> None:
        """Write what is left to write, and read once: nobody keeps the others waiting."""
        try:
            if connection.unread:
                self._flush(connection)
            chunk = connection.raw.recv(connection.unframer.wanted())
            if not chunk:
                self._let_go(connection)
                return
            messages = connection.unframer.take(chunk)
        except BlockingIOError:
            return
        except TooLarge:
            self.malformed += 1
            self.malformed_by = connection.peer
            self._let_go(connection)
            return
        except OSError:
            self._let_go(connection)
            return
        for message in messages:
            self._arrived.append((connection.number, connection.peer, message))

    def send(self, number: bytes, data: bytes) -> bool:
        """Send to one caller. False: it is gone, or does not read."""
        connection = self._by_number.get(number)
        if connection is None:
            return False
        frame = framed(data)
        try:
            sent = 0 if connection.unread else connection.raw.send(frame)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._let_go(connection)
            return False
        if sent < len(frame):
            if len(connection.unread) + len(frame) > UNREAD_BYTES_MAX:
                self._let_go(connection)
                return False
            if not connection.unread:
                self._epoll.modify(connection.raw, select.EPOLLIN | select.EPOLLOUT)
            connection.unread += frame[sent:]
        return True

    def _flush(self, connection: _Connection) -> None:
        del connection.unread[: connection.raw.send(connection.unread)]
        if not connection.unread:
            self._epoll.modify(connection.raw, select.EPOLLIN)

    def _let_go(self, connection: _Connection) -> None:
        if connection is self._latest:
            self._latest = None
        del self._by_fd[connection.raw.fileno()], self._by_number[connection.number]
        connection.raw.close()

    def close(self) -> None:
        """Close it, and take its path away unless somebody else has it by now. What was sent is still delivered."""
        for connection in list(self._by_fd.values()):
            self._let_go(connection)
        self._door.close()
        self._epoll.close()


class Wire:
    """A connection to one life. For one thread, which it blocks: the fastest way to wait."""

    def __init__(self, path: str) -> None:
        """Connect. Raises Closed if nobody listens, BlockingIOError if who listens does not answer the door."""
        self._raw = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            self._raw.connect(path)
        except BlockingIOError:
            self._raw.close()
            raise
        except OSError as error:
            self._raw.close()
            raise Closed(str(error)) from None
        self._raw.setblocking(True)
        self._wait_s = 0.0
        self._limit(LOOK_UP_S)
        self._raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(LOOK_UP_S))
        self.peer = peer_of(self._raw)
        self._unframer = Unframer()
        self._arrived: deque[bytes] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _limit(self, wait_s: float) -> None:
        if wait_s != self._wait_s:
            self._wait_s = wait_s
            self._raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(wait_s))

    def send(self, data: bytes, deadline_s: float) -> bool:
        """Send, until `deadline_s` (CLOCK_MONOTONIC). False: it does not read; the wire is of no use any more. Raises Closed."""
        frame: bytes | memoryview = framed(data)
        while True:
            try:
                sent = self._raw.send(frame)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                raise Closed(str(error)) from None
            if sent == len(frame):
                return True
            frame = memoryview(frame)[sent:]
            if time.monotonic() >= deadline_s:
                return False

    def receive(self, deadline_s: float) -> bytes | None:
        """Return the next message; None after LOOK_UP_S, or at `deadline_s`. Raises Closed, and TooLarge."""
        if self._arrived:
            return self._arrived.popleft()
        remaining_s = deadline_s - time.monotonic()
        self._limit(LOOK_UP_S if remaining_s >= LOOK_UP_S else max(remaining_s, 0.001))
        try:
            chunk = self._raw.recv(self._unframer.wanted())
        except BlockingIOError:
            return None
        except OSError as error:
            raise Closed(str(error)) from None
        if not chunk:
            raise Closed("the other end is closed")
        messages = self._unframer.take(chunk)
        if len(messages) > 1:
            self._arrived.extend(messages[1:])
        return messages[0] if messages else None

    def close(self) -> None:
        """Close it."""
        self._raw.close()


def _timeval(seconds: float) -> bytes:
    return TIMEVAL.pack(int(seconds), int(seconds % 1 * 1_000_000))
