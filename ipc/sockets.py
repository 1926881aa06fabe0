"""ZeroMQ, kept in one file: thin typed sockets that never block, never linger and never queue without bound."""

from __future__ import annotations

import errno
import os
import select
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import zmq

from tierhost.ipc.credentials import parse_credentials
from tierhost.ipc.endpoints import inode_of, make_way, private_files
from tierhost.ipc.limits import FRAME_BYTES_MAX, HIGH_WATER, IN_FLIGHT_PER_PEER_MAX, RECONNECT_MS
from tierhost.ipc.wires import Gate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tierhost.ipc.credentials import PeerCredentials

LAST_WORDS_MS = 100
"""How long a door that closes for good goes on delivering answers it has given already."""

MALFORMED_PER_TURN_MAX = 64
"""Malformed messages that one `receive` throws away before it gives the loop its turn back."""


class Sockets:
    """The one ZeroMQ context of a process. Never make it before a fork: its threads do not cross."""

    def __init__(self) -> None:
        self._context = zmq.Context(io_threads=1)
        self._pid = os.getpid()
        self._bound: list[Door | Loudspeaker] = []

    def door(self, path: Path | str) -> Door:
        """Listen at a path (ROUTER). Raises AddressInUse, or OSError if the path cannot be used."""
        # Room for a whole host's news towards each peer; from each peer, as much as it may have open.
        made = self._make(zmq.ROUTER, send_max=HIGH_WATER, receive_max=IN_FLIGHT_PER_PEER_MAX)
        made.setsockopt(zmq.ROUTER_MANDATORY, 1)
        _bind(made, str(path))
        door = Door(made, str(path))
        self._bound.append(door)
        return door

    def line(self, path: Path | str, *, identity: bytes = b"") -> Line:
        """Connect to a path (DEALER). Nothing is sent while nobody is connected: the next owner of the path would do it."""
        made = self._make(zmq.DEALER, send_max=IN_FLIGHT_PER_PEER_MAX, receive_max=HIGH_WATER)
        made.setsockopt(zmq.IMMEDIATE, 1)
        made.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
        if identity:
            made.setsockopt(zmq.ROUTING_ID, identity)
        made.connect(f"ipc://{path}")
        return Line(made)

    def loudspeaker(self, path: Path | str) -> Loudspeaker:
        """Publish at a path (PUB). Raises AddressInUse, or OSError if the path cannot be used."""
        made = self._make(zmq.PUB, send_max=HIGH_WATER, receive_max=HIGH_WATER)
        _bind(made, str(path))
        loudspeaker = Loudspeaker(made, str(path))
        self._bound.append(loudspeaker)
        return loudspeaker

    def listener(self, path: Path | str, topics: tuple[bytes, ...] = (b"",)) -> Listener:
        """Subscribe at a path (SUB) to topics (sources) that begin with one of these; by default to everything."""
        made = self._make(zmq.SUB, send_max=HIGH_WATER, receive_max=HIGH_WATER)
        made.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
        for topic in topics:
            made.setsockopt(zmq.SUBSCRIBE, topic)
        made.connect(f"ipc://{path}")
        return Listener(made)

    def _make(self, kind: int, *, send_max: int, receive_max: int) -> zmq.Socket[bytes]:
        if os.getpid() != self._pid:
            message = "these sockets belong to the process before the fork"
            raise RuntimeError(message)
        made = self._context.socket(kind)
        made.setsockopt(zmq.LINGER, 0)
        made.setsockopt(zmq.MAXMSGSIZE, FRAME_BYTES_MAX)
        made.setsockopt(zmq.SNDHWM, send_max)
        made.setsockopt(zmq.RCVHWM, receive_max)
        return made

    def close(self) -> None:
        """Close every socket and end the context's threads. What doors have answered is delivered, within LAST_WORDS_MS."""
        for bound in self._bound:
            if not bound.raw.closed:
                bound.close(linger_ms=LAST_WORDS_MS)
        self._bound.clear()
        # Not destroy(linger=0): that would set the linger of the doors' last words back to nothing.
        self._context.destroy()


class _Socket:
    """What all four have in common."""

    def __init__(self, made: zmq.Socket[bytes]) -> None:
        self.raw = made
        self._touched = True

    def close(self) -> None:
        """Close it at once; what was not sent is dropped."""
        self.raw.close(linger=0)

    def wait(self, timeout_s: float) -> bool:
        """Wait until something can be received."""
        self._touched = True
        return bool(self.raw.poll(_milliseconds(timeout_s)))

    def fileno(self) -> int:
        """Return what becomes readable when something may have happened: `is_readable` says what."""
        return int(self.raw.getsockopt(zmq.FD))

    def is_readable(self, *, moved: bool = False) -> bool:
        """Whether something can be received. Asked before each wait: ZeroMQ's descriptor tells of changes only.

        `moved`: its descriptor did. Nothing can have changed if it did not, and we have neither sent nor received.
        """
        if moved or self._touched:
            self._touched = bool(self.raw.getsockopt(zmq.EVENTS) & zmq.POLLIN)  # type: ignore[operator,arg-type]
        return self._touched


class _Bound(_Socket):
    """A socket with a path of its own in the file system."""

    def __init__(self, made: zmq.Socket[bytes], path: str) -> None:
        super().__init__(made)
        self.path = path
        self._inode = inode_of(path)

    def close(self, linger_ms: int = 0) -> None:
        """Close it, and take its path away unless somebody else has it by now."""
        self.raw.close(linger=linger_ms)
        if inode_of(self.path) == self._inode:
            Path(self.path).unlink(missing_ok=True)


class Door(_Bound):
    """A ROUTER at a path of its own: every message comes with the kernel's word on who sent it."""

    def __init__(self, made: zmq.Socket[bytes], path: str) -> None:
        super().__init__(made, path)
        self.malformed = 0

    def receive(self) -> tuple[bytes, PeerCredentials, bytes] | None:
        """Return routing id, sender and data of the next message; None when there is none."""
        self._touched = True
        for _ in range(MALFORMED_PER_TURN_MAX):
            try:
                routing_id = self.raw.recv(zmq.NOBLOCK)
            except zmq.Again:
                return None
            # The frames of a message arrive together: no wait here.
            frame = self.raw.recv(zmq.NOBLOCK, copy=False)
            if not frame.more:
                credentials = parse_credentials(str(frame.get("Peer-Address")))
                if credentials is not None:
                    return routing_id, credentials, frame.bytes
            while frame.more:
                frame = self.raw.recv(zmq.NOBLOCK, copy=False)
            self.malformed += 1
        return None

    def send(self, routing_id: bytes, data: bytes) -> bool:
        """Send to one peer. False: it is gone, or does not read."""
        self._touched = True
        try:
            self.raw.send(routing_id, zmq.SNDMORE | zmq.NOBLOCK)
        except zmq.ZMQError as error:
            if error.errno in {errno.EAGAIN, errno.EHOSTUNREACH}:
                return False
            raise
        self.raw.send(data, zmq.NOBLOCK)  # the first part has found its peer and room there
        return True


class Line(_Socket):
    """A DEALER to one path."""

    def send(self, data: bytes) -> bool:
        """Send. False: nobody is connected (if immediate), or the peer does not read."""
        self._touched = True
        try:
            self.raw.send(data, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def receive(self) -> bytes | None:
        """Return the next message, or None."""
        self._touched = True
        try:
            return self.raw.recv(zmq.NOBLOCK)
        except zmq.Again:
            return None

    def wait_sendable(self, timeout_s: float) -> bool:
        """Wait until somebody is connected and reads."""
        self._touched = True
        return bool(self.raw.poll(_milliseconds(timeout_s), zmq.POLLOUT))


class Loudspeaker(_Bound):
    """A PUB at a path: says things to whoever listens, drops them for whoever does not keep up."""

    def say(self, topic: bytes, data: bytes) -> None:
        """Publish. Never waits for anybody."""
        self.raw.send_multipart((topic, data), zmq.NOBLOCK)


class Listener(_Socket):
    """A SUB to one path."""

    def receive(self) -> bytes | None:
        """Return the next event's bytes, or None."""
        self._touched = True
        try:
            return self.raw.recv_multipart(zmq.NOBLOCK)[-1]
        except zmq.Again:
            return None


Pollable: TypeAlias = Door | Line | Listener
Watched: TypeAlias = Door | Line | Listener | Gate


class Poller:
    """Waits for sockets, gates and plain file descriptors at once: one epoll, however many they are."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._by_fd: dict[int, Watched] = {}

    def register(self, watched: Watched) -> None:
        """Watch a socket or a gate."""
        self._by_fd[watched.fileno()] = watched
        self._epoll.register(watched.fileno(), select.EPOLLIN)

    def unregister(self, watched: Watched) -> None:
        """Watch it no longer; before it is closed."""
        del self._by_fd[watched.fileno()]
        self._epoll.unregister(watched.fileno())

    def register_fd(self, fd: int) -> None:
        """Watch a file descriptor: pidfd, eventfd, socket."""
        self._epoll.register(fd, select.EPOLLIN)

    def unregister_fd(self, fd: int) -> None:
        """Watch it no longer; before it is closed."""
        self._epoll.unregister(fd)

    def poll(self, timeout_s: float) -> list[Watched | int]:
        """Return the sockets, gates and file descriptors that can be read; an empty list after `timeout_s`."""
        # What is in a socket already moves its descriptor no more.
        ready: list[Watched | int] = [watched for watched in self._by_fd.values() if watched.is_readable()]
        for fd, _ in self._epoll.poll(0 if ready else timeout_s):
            watched = self._by_fd.get(fd)
            if watched is None:
                ready.append(fd)
            elif watched not in ready and watched.is_readable(moved=True):
                ready.append(watched)
        return ready

    def close(self) -> None:
        """Close what the poller itself holds; the sockets and file descriptors are their owners'."""
        self._epoll.close()


class Waiter:
    """Waits for any of a few things; made once, used for every call on a line."""

    def __init__(self, sources: Iterable[int | Pollable]) -> None:
        self._poller = zmq.Poller()
        for source in sources:
            self._poller.register(source if isinstance(source, int) else source.raw, zmq.POLLIN)

    def wait(self, timeout_s: float) -> list[int | zmq.Socket[bytes]]:
        """Return what can be read (raw sockets, file descriptors); nothing when the time is up."""
        return [source for source, _ in self._poller.poll(_milliseconds(timeout_s))]


def _milliseconds(seconds: float) -> int:
    # Rounded up: a wait that ends a millisecond early would turn the loop once for nothing.
    return int(seconds * 1000 + 0.999) if seconds > 0 else 0


def _bind(made: zmq.Socket[bytes], path: str) -> None:
    try:
        make_way(path)
        with private_files():
            made.bind(f"ipc://{path}")
    except zmq.ZMQError as error:
        made.close(linger=0)
        raise OSError(error.errno, error.strerror, path) from None
    except OSError:
        made.close(linger=0)
        raise
