"""ZeroMQ, kept in one file: thin typed sockets that never block, never linger and never queue without bound."""

from __future__ import annotations

import errno
import os
import select
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import zmq

from tierhost.ipc.credentials import parse_credentials
from tierhost.ipc.endpoints import inode_of, make_way, private_files
from tierhost.ipc.limits import FRAME_BYTES_MAX, HIGH_WATER, IN_FLIGHT_PER_PEER_MAX, RECONNECT_MS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tierhost.ipc.credentials import PeerCredentials

LAST_WORDS_MS = 100
"""How long a door that closes for good goes on delivering answers it has given already."""

MALFORMED_PER_TURN_MAX = 64
"""Malformed messages that one `receive` throws away before it gives the loop its turn back."""

RECONNECT_MS_MAX = 1000
"""How rarely a line to a life that does not listen tries again. Lives do not come back: each has a path of its own."""


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

    def line(self, path: Path | str, *, identity: bytes = b"", immediate: bool = False) -> Line:
        """Connect to a path (DEALER).

        `immediate`: refuse to send while nobody is connected, instead of keeping it. For paths that change their owner
        (the host's): what was kept would be done by the next one.
        """
        made = self._make(zmq.DEALER, send_max=IN_FLIGHT_PER_PEER_MAX, receive_max=HIGH_WATER)
        made.setsockopt(zmq.IMMEDIATE, int(immediate))
        made.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
        if not immediate:
            made.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MS_MAX)
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

    def close(self) -> None:
        """Close it at once; what was not sent is dropped."""
        self.raw.close(linger=0)

    def wait(self, timeout_s: float) -> bool:
        """Wait until something can be received."""
        return bool(self.raw.poll(_milliseconds(timeout_s)))


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
        try:
            self.raw.send(routing_id, zmq.SNDMORE | zmq.NOBLOCK)
        except zmq.ZMQError as error:
            if error.errno in {errno.EAGAIN, errno.EHOSTUNREACH}:
                return False
            raise
        # The first part has found its peer and room there; the rest cannot be refused any more.
        self.raw.send(data, zmq.NOBLOCK)
        return True


class Line(_Socket):
    """A DEALER to one path."""

    def send(self, data: bytes) -> bool:
        """Send. False: nobody is connected (if immediate), or the peer does not read."""
        try:
            self.raw.send(data, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def receive(self) -> bytes | None:
        """Return the next message, or None."""
        try:
            return self.raw.recv(zmq.NOBLOCK)
        except zmq.Again:
            return None

    def comes_within(self, spin_s: float) -> bool:
        """Look for a message, awake, for a very short time: being woken would take longer. Gives way to whoever is ready."""
        end_s = time.monotonic() + spin_s
        while not self.raw.getsockopt(zmq.EVENTS) & zmq.POLLIN:  # type: ignore[operator,arg-type]
            if time.monotonic() > end_s:
                return False
            os.sched_yield()
        return True

    def wait_sendable(self, timeout_s: float) -> bool:
        """Wait until somebody is connected and reads."""
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
        try:
            return self.raw.recv_multipart(zmq.NOBLOCK)[-1]
        except zmq.Again:
            return None


Pollable: TypeAlias = Door | Line | Listener


class Poller:
    """Waits for sockets and plain file descriptors at once; plain ones sit in one epoll, however many they are."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._poller = zmq.Poller()
        self._poller.register(self._epoll.fileno(), zmq.POLLIN)
        self._by_raw: dict[object, Pollable] = {}

    def register(self, pollable: Pollable) -> None:
        """Watch a socket."""
        self._poller.register(pollable.raw, zmq.POLLIN)
        self._by_raw[pollable.raw] = pollable

    def unregister(self, pollable: Pollable) -> None:
        """Watch it no longer; before it is closed."""
        self._poller.unregister(pollable.raw)
        del self._by_raw[pollable.raw]

    def register_fd(self, fd: int) -> None:
        """Watch a file descriptor: pidfd, eventfd, socket."""
        self._epoll.register(fd, select.EPOLLIN)

    def unregister_fd(self, fd: int) -> None:
        """Watch it no longer; before it is closed."""
        self._epoll.unregister(fd)

    def poll(self, timeout_s: float) -> list[Pollable | int]:
        """Return the sockets and file descriptors that can be read; an empty list after `timeout_s`."""
        ready: list[Pollable | int] = []
        for raw, _ in self._poller.poll(_milliseconds(timeout_s)):
            if isinstance(raw, int):
                ready.extend(fd for fd, _ in self._epoll.poll(0))
            else:
                ready.append(self._by_raw[raw])
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
        """Return what can be read (raw sockets and file descriptors), or nothing when the time is up."""
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
