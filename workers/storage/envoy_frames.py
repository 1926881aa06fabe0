"""What travels between a worker and its envoys: a line of JSON and bytes, each with its length, until a deadline."""

from __future__ import annotations

import json
import struct
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import socket

HEAD: Final = struct.Struct("!II")
FRAME_BYTES_MAX: Final = 8 << 20


def send(sock: socket.socket, words: Any, data: bytes, deadline_s: float) -> None:
    """Send one message. Raises TimeoutError, OSError."""
    text = json.dumps(words).encode()
    _limit(sock, deadline_s)
    sock.sendall(HEAD.pack(len(text), len(data)) + text)
    if data:
        _limit(sock, deadline_s)
        sock.sendall(data)


def receive(sock: socket.socket, deadline_s: float) -> tuple[Any, bytes]:
    """Receive one message. Raises TimeoutError, OSError, and EOFError if the other side has gone."""
    length, rest = HEAD.unpack(_exactly(sock, HEAD.size, deadline_s))
    if length > FRAME_BYTES_MAX or rest > FRAME_BYTES_MAX:
        raise EOFError
    return json.loads(_exactly(sock, length, deadline_s)), _exactly(sock, rest, deadline_s)


def _exactly(sock: socket.socket, count: int, deadline_s: float) -> bytes:
    found = bytearray(count)
    view = memoryview(found)
    while view:
        _limit(sock, deadline_s)
        got = sock.recv_into(view)
        if not got:
            raise EOFError
        view = view[got:]
    return bytes(found)


def _limit(sock: socket.socket, deadline_s: float) -> None:
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    sock.settimeout(left_s)
