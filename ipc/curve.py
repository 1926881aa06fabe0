"""ZeroMQ's CURVE between machines: keys, and a line that is one connection to one door, and says why it failed."""

from __future__ import annotations

import time
from enum import Enum
from typing import TYPE_CHECKING, Final

import zmq
from zmq.utils import z85
from zmq.utils.monitor import parse_monitor_message

from tierhost.ipc.limits import FRAME_BYTES_MAX, IN_FLIGHT_PER_PEER_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence

ZAP_DOMAIN: Final = b"tierhost"
KEY_BYTES: Final = 32
HANDSHAKE_MS: Final = 3_000
"""Whoever connects and has not proved by then who it is, is let go of."""

TOLD: Final = (
    zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_CLOSED
    | zmq.EVENT_CONNECT_RETRIED
    | zmq.EVENT_DISCONNECTED
)


def new_pair() -> tuple[str, str]:
    """Make a key: its public and its secret half, as hexadecimal text."""
    public, secret = zmq.curve_keypair()
    return z85.decode(public).hex(), z85.decode(secret).hex()


def public_of(secret: str) -> str:
    """Return the public half of a secret one."""
    return z85.decode(zmq.curve_public(curve_key(secret))).hex()


def curve_key(text: str) -> bytes:
    """Turn 64 hexadecimal digits into libzmq's form of a key. Raises ValueError."""
    raw = bytes.fromhex(text)
    if len(raw) != KEY_BYTES:
        message = f"a key has {KEY_BYTES * 2} hexadecimal digits"
        raise ValueError(message)
    return z85.encode(raw)


class End(Enum):
    """Why a line is of no use (any more)."""

    UNREACHABLE = "nobody answers there"
    UNLISTED = "our key is not on its allow list"
    BROKEN_OFF = "it broke the handshake off: its key is not the one we expect, or it has just died"
    NOT_CURVE = "who answers there does not speak CURVE"
    LOST = "the connection is lost"


class Lines:
    """The ZeroMQ context of all lines of one process. Never make it before a fork."""

    def __init__(self) -> None:
        self._context = zmq.Context(io_threads=1)

    def line(self, address: str, secret: str, server: str) -> CurveLine:
        """Begin to connect to `address` ("tcp://host:port") with our secret key and the public one of who listens there.

        Raises OSError: no descriptors are left, or `close` came first.
        """
        try:
            return CurveLine(self._context, address, secret, server)
        except zmq.ZMQError as error:
            raise OSError(error.errno, error.strerror, address) from None

    def close(self) -> None:
        """Close every line, and end the context's thread."""
        self._context.destroy(linger=0)


class CurveLine:
    """One connection, used by one thread at a time. It never reconnects: what its loss means is for its owner to find out."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], address: str, secret: str, server: str) -> None:
        self.connected = False
        self.end: End | None = None
        self._raw = context.socket(zmq.DEALER)
        self._raw.setsockopt(zmq.LINGER, 0)
        self._raw.setsockopt(zmq.IMMEDIATE, 1)
        self._raw.setsockopt(zmq.RECONNECT_IVL, -1)
        self._raw.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
        self._raw.setsockopt(zmq.MAXMSGSIZE, FRAME_BYTES_MAX)
        self._raw.setsockopt(zmq.SNDHWM, IN_FLIGHT_PER_PEER_MAX)
        self._raw.setsockopt(zmq.CURVE_SERVERKEY, curve_key(server))
        own = curve_key(secret)
        self._raw.setsockopt(zmq.CURVE_SECRETKEY, own)
        self._raw.setsockopt(zmq.CURVE_PUBLICKEY, zmq.curve_public(own))
        self._news = self._raw.get_monitor_socket(TOLD)
        self._poller = zmq.Poller()
        self._poller.register(self._raw, zmq.POLLIN)
        self._poller.register(self._news, zmq.POLLIN)
        try:
            self._raw.connect(address)
        except zmq.ZMQError:
            # A name that cannot be resolved, a port that is none.
            self.end = End.UNREACHABLE

    def wait(self, end_s: float) -> None:
        """Wait until something happened, at most to `end_s` (CLOCK_MONOTONIC), and take note of it."""
        self._poller.poll(max(0, int((end_s - time.monotonic()) * 1000 + 0.999)))
        while self.end is None and self._news.poll(0):
            told = parse_monitor_message(self._news.recv_multipart(zmq.NOBLOCK))
            self._note(int(told["event"]))

    def _note(self, event: int) -> None:
        if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self.connected = True
        elif self.connected:
            self.connected, self.end = False, End.LOST
        elif event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            self.end = End.UNLISTED
        elif event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
            self.end = End.NOT_CURVE
        elif event in {zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL, zmq.EVENT_DISCONNECTED}:
            self.end = End.BROKEN_OFF
        else:
            self.end = End.UNREACHABLE

    def send(self, data: bytes, end_s: float) -> bool:
        """Send. False: not until `end_s` (CLOCK_MONOTONIC), or the line has ended."""
        while self.end is None:
            try:
                self._raw.send(data, zmq.NOBLOCK)
            except zmq.Again:
                if time.monotonic() >= end_s:
                    return False
                # Shortly: the end of the line is told by the other socket.
                self._raw.poll(20, zmq.POLLOUT)
                self.wait(0.0)
            else:
                return True
        return False

    def receive(self) -> bytes | None:
        """Return the next message, or None."""
        try:
            return self._raw.recv(zmq.NOBLOCK)
        except zmq.Again:
            return None

    def close(self) -> None:
        """Close it; what was not sent is dropped."""
        if not self._raw.closed:
            self._raw.disable_monitor()
            self._news.close(linger=0)
            self._raw.close(linger=0)


def is_key(text: object) -> bool:
    """Whether this is a key as we write it."""
    if not isinstance(text, str) or len(text) != KEY_BYTES * 2:
        return False
    return set(text) <= set("0123456789abcdef")


def are_keys(texts: Sequence[object]) -> bool:
    """Whether these are keys as we write them, and there is one."""
    return bool(texts) and all(map(is_key, texts))
