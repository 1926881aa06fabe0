"""Where other machines knock: a ROUTER that speaks CURVE only, and asks (ZAP) for every key whether it may come in."""

from __future__ import annotations

import errno
import os
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

import zmq

from tierhost.ipc.curve import HANDSHAKE_MS, ZAP_DOMAIN, curve_key
from tierhost.ipc.limits import FRAME_BYTES_MAX, HIGH_WATER, IN_FLIGHT_PER_PEER_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

ZAP_ADDRESS: Final = "inproc://zeromq.zap.01"
BACKLOG: Final = 64
HEARTBEAT_MS: Final = 2_000
GONE_MS: Final = 6_000
"""A machine that is gone without a word is let go of after this time."""

PER_TURN_MAX: Final = 64
ZAP_FRAMES: Final = 7


class Knock(NamedTuple):
    """A message, the public key of whoever sent it (proved), and its address."""

    routing_id: bytes
    key: str
    address: str
    data: bytes


class CurveDoor:
    """For one thread, but `answer` and `wake`. Who is let in is for `may_enter(public key, address)` to say."""

    def __init__(self, address: str, secret: str, may_enter: Callable[[str, str], bool]) -> None:
        """Listen at "tcp://host:port". Raises OSError if that is not to be had."""
        self.malformed = 0
        self._may_enter = may_enter
        self._answers: deque[tuple[bytes, bytes]] = deque()
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._context = zmq.Context(io_threads=1)
        self._zap = self._context.socket(zmq.ROUTER)
        self._raw = self._context.socket(zmq.ROUTER)
        self._poller = zmq.Poller()
        try:
            self._zap.bind(ZAP_ADDRESS)
            self._listen(address, secret)
        except zmq.ZMQError as error:
            self.close()
            raise OSError(error.errno, error.strerror, address) from None
        for source in (self._wake_fd, self._zap, self._raw):
            self._poller.register(source, zmq.POLLIN)

    def _listen(self, address: str, secret: str) -> None:
        raw = self._raw
        for option, value in (
            (zmq.LINGER, 0),
            (zmq.CURVE_SERVER, 1),
            (zmq.BACKLOG, BACKLOG),
            (zmq.MAXMSGSIZE, FRAME_BYTES_MAX),
            (zmq.SNDHWM, HIGH_WATER),
            (zmq.RCVHWM, IN_FLIGHT_PER_PEER_MAX),
            (zmq.ROUTER_MANDATORY, 1),
            (zmq.HANDSHAKE_IVL, HANDSHAKE_MS),
            (zmq.HEARTBEAT_IVL, HEARTBEAT_MS),
            (zmq.HEARTBEAT_TIMEOUT, GONE_MS),
        ):
            raw.setsockopt(option, value)
        raw.setsockopt(zmq.CURVE_SECRETKEY, curve_key(secret))
        raw.setsockopt(zmq.ZAP_DOMAIN, ZAP_DOMAIN)
        raw.bind(address)
        self.address = raw.getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\0").decode()  # type: ignore[union-attr]

    def turn(self, wait_s: float) -> list[Knock]:
        """Wait for something, let in who may come in, send the answers that are due, and return what has arrived."""
        self._poller.poll(int(wait_s * 1000))
        with suppress(BlockingIOError):
            os.eventfd_read(self._wake_fd)
        while self._answers:
            self._send(*self._answers.popleft())
        self._judge_keys()
        return self._take()

    def _judge_keys(self) -> None:
        for _ in range(PER_TURN_MAX):
            try:
                *route, version, request, _, address, _, mechanism, key = self._zap.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            except ValueError:
                # Another mechanism's question has other frames: it is not answered, and so not let in.
                continue
            known = mechanism == b"CURVE" and self._may_enter(key.hex(), address.decode(errors="replace"))
            verdict = (b"200", b"OK") if known else (b"400", b"unlisted")
            self._zap.send_multipart([*route, version, request, *verdict, key.hex().encode(), b""], zmq.NOBLOCK)

    def _take(self) -> list[Knock]:
        taken: list[Knock] = []
        for _ in range(PER_TURN_MAX):
            try:
                routing_id = self._raw.recv(zmq.NOBLOCK)
            except zmq.Again:
                break
            frame = self._raw.recv(zmq.NOBLOCK, copy=False)
            if not frame.more:
                taken.append(Knock(routing_id, str(frame.get("User-Id")), str(frame.get("Peer-Address")), frame.bytes))
                continue
            while frame.more:
                frame = self._raw.recv(zmq.NOBLOCK, copy=False)
            self.malformed += 1
        return taken

    def _send(self, routing_id: bytes, data: bytes) -> None:
        try:
            self._raw.send_multipart((routing_id, data), zmq.NOBLOCK)
        except zmq.ZMQError as error:
            # It is gone, or does not read: then nobody waits for this.
            if error.errno not in {errno.EAGAIN, errno.EHOSTUNREACH}:
                raise

    def answer(self, routing_id: bytes, data: bytes) -> None:
        """Have this sent at the next turn. From any thread."""
        self._answers.append((routing_id, data))
        self.wake()

    def wake(self) -> None:
        """Let the turn under way end now. From any thread."""
        os.eventfd_write(self._wake_fd, 1)

    def close(self) -> None:
        """Stop listening. By the thread whose door it is, after its last turn."""
        self._context.destroy(linger=0)
        os.close(self._wake_fd)
