"""ZeroMQ, kept in one file: thin typed sockets that never block, never linger and never queue without bound."""

from __future__ import annotations

import os
import select
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import zmq

from tierhost.ipc.limits import FRAME_BYTES_MAX, IN_FLIGHT_MAX, RECONNECT_MS

HIGH_WATER = IN_FLIGHT_MAX * 4
PRIVATE_UMASK = 0o077


class AddressInUse(OSError):
    """Raised when somebody listens at a path already. libzmq would take it over without a word."""


@dataclass(frozen=True, slots=True)
class PeerCredentials:
    """Who sent a message, by the kernel's word (SO_PEERCRED)."""

    uid: int
    gid: int
    pid: int


class Sockets:
    """This process's one ZeroMQ context. Never make it before a fork: its threads do not cross."""

    def __init__(self) -> None:
        self._context = zmq.Context(io_threads=1)
        self._context.setsockopt(zmq.LINGER, 0)

    def door(self, path: Path | str) -> Door:
        """Listen at a path (ROUTER). Raises AddressInUse."""
        return Door(self._make(zmq.ROUTER), str(path))

    def line(self, path: Path | str, *, identity: bytes = b"", immediate: bool = False) -> Line:
        """Connect to a path (DEALER). `immediate`: refuse to send while nobody is connected, instead of keeping it."""
        made = self._make(zmq.DEALER)
        made.setsockopt(zmq.IMMEDIATE, int(immediate))
        if identity:
            made.setsockopt(zmq.ROUTING_ID, identity)
        made.connect(f"ipc://{path}")
        return Line(made)

    def loudspeaker(self, path: Path | str) -> Loudspeaker:
        """Publish at a path (PUB). Raises AddressInUse."""
        return Loudspeaker(self._make(zmq.PUB), str(path))

    def listener(self, path: Path | str, topics: tuple[bytes, ...] = (b"",)) -> Listener:
        """Subscribe at a path (SUB) to the sources named."""
        made = self._make(zmq.SUB)
        for topic in topics:
            made.setsockopt(zmq.SUBSCRIBE, topic)
        made.connect(f"ipc://{path}")
        return Listener(made)

    def _make(self, kind: int) -> zmq.Socket[bytes]:
        made = self._context.socket(kind)
        made.setsockopt(zmq.LINGER, 0)
        made.setsockopt(zmq.MAXMSGSIZE, FRAME_BYTES_MAX)
        made.setsockopt(zmq.SNDHWM, HIGH_WATER)
        made.setsockopt(zmq.RCVHWM, HIGH_WATER)
        made.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
        return made

    def close(self) -> None:
        """Close every socket and end the context's threads."""
        self._context.destroy(linger=0)


class _Socket:
    """What all four have in common."""

    def __init__(self, made: zmq.Socket[bytes]) -> None:
        self.raw = made

    def close(self) -> None:
        self.raw.close(linger=0)

    def wait(self, timeout_s: float) -> bool:
        """Wait until something can be received."""
        return bool(self.raw.poll(max(0, int(timeout_s * 1000))))


class Door(_Socket):
    """A ROUTER at a path of its own: every message comes with the kernel's word on who sent it."""

    def __init__(self, made: zmq.Socket[bytes], path: str) -> None:
        super().__init__(made)
        made.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self.path = path
        self.malformed = 0
        _bind(made, path)

    def receive(self) -> tuple[bytes, PeerCredentials, bytes] | None:
        """Return routing id, sender and data of the next message; None when there is none."""
        while True:
            try:
                frames = self.raw.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return None
            if len(frames) == 2:
                credentials = _credentials(frames[1])
                if credentials is not None:
                    return frames[0].bytes, credentials, frames[1].bytes
            self.malformed += 1

    def send(self, routing_id: bytes, data: bytes) -> bool:
        """Send to one peer. False: it is gone, or does not read."""
        try:
            self.raw.send_multipart((routing_id, data), zmq.NOBLOCK)
        except zmq.ZMQError as error:
            if error.errno in {zmq.EAGAIN, zmq.EHOSTUNREACH}:
                return False
            raise
        return True

    def close(self) -> None:
        super().close()
        Path(self.path).unlink(missing_ok=True)


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

    def wait_sendable(self, timeout_s: float) -> bool:
        """Wait until somebody is connected and reads."""
        return bool(self.raw.poll(max(0, int(timeout_s * 1000)), zmq.POLLOUT))


class Loudspeaker(_Socket):
    """A PUB at a path: says things to whoever listens, drops them for whoever does not keep up."""

    def __init__(self, made: zmq.Socket[bytes], path: str) -> None:
        super().__init__(made)
        self.path = path
        _bind(made, path)

    def say(self, topic: bytes, data: bytes) -> None:
        self.raw.send_multipart((topic, data), zmq.NOBLOCK)

    def close(self) -> None:
        super().close()
        Path(self.path).unlink(missing_ok=True)


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
        self._poller.register(pollable.raw, zmq.POLLIN)
        self._by_raw[pollable.raw] = pollable

    def unregister(self, pollable: Pollable) -> None:
        self._poller.unregister(pollable.raw)
        del self._by_raw[pollable.raw]

    def register_fd(self, fd: int) -> None:
        self._epoll.register(fd, select.EPOLLIN)

    def unregister_fd(self, fd: int) -> None:
        self._epoll.unregister(fd)

    def poll(self, timeout_s: float) -> list[Pollable | int]:
        """Return the sockets and file descriptors that can be read; an empty list after `timeout_s`."""
        ready: list[Pollable | int] = []
        # Rounded up: a wait that ends a millisecond early would turn the loop once for nothing.
        for raw, _ in self._poller.poll(int(timeout_s * 1000 + 0.999)):
            if isinstance(raw, int):
                ready.extend(fd for fd, _ in self._epoll.poll(0))
            else:
                ready.append(self._by_raw[raw])
        return ready

    def close(self) -> None:
        self._epoll.close()


class AnswerOrNews:
    """Waits for a line's answer and, beside it, for news of who is up (an eventfd, or a listener)."""

    def __init__(self, line: Line, news: int | Listener) -> None:
        self._poller = zmq.Poller()
        self._poller.register(line.raw, zmq.POLLIN)
        self._poller.register(news if isinstance(news, int) else news.raw, zmq.POLLIN)

    def wait(self, timeout_s: float) -> None:
        """Return when either is there, or the time is up."""
        self._poller.poll(int(timeout_s * 1000 + 0.999))


def wait_for_news(news: int | Listener, timeout_s: float) -> None:
    """Wait for news alone."""
    if isinstance(news, int):
        select.select([news], [], [], timeout_s)
    else:
        news.wait(timeout_s)


def _credentials(frame: zmq.Frame) -> PeerCredentials | None:
    try:
        _, uid, gid, pid = str(frame.get("Peer-Address")).rsplit(":", 3)
        return PeerCredentials(int(uid), int(gid), int(pid))
    except (zmq.ZMQError, ValueError):
        return None


def _bind(made: zmq.Socket[bytes], path: str) -> None:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        except FileNotFoundError:
            pass
        else:
            made.close(linger=0)
            raise AddressInUse(98, "somebody listens here already", path)
    before = os.umask(PRIVATE_UMASK)
    try:
        made.bind(f"ipc://{path}")
    finally:
        os.umask(before)
