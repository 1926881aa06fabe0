"""Messages in a stream: each with its length before it, none longer than any may be."""

from __future__ import annotations

import struct
from typing import Final

from tierhost.ipc.errors import ProtocolError
from tierhost.ipc.limits import FRAME_BYTES_MAX

LENGTH: Final = struct.Struct(">I")
SMALL_CHUNK_BYTES: Final = 1 << 12
CHUNK_BYTES: Final = 1 << 16
LARGE_CHUNK_BYTES: Final = 1 << 20


class TooLarge(ProtocolError):
    """Raised when a message is announced that is longer than any may be. The stream is of no use any more."""


class Unframer:
    """Takes a stream apart into messages. Holds at most one message that is not whole."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def take(self, chunk: bytes) -> list[bytes]:
        """Return the messages that are whole now. Raises TooLarge."""
        # The common case: one whole message, nothing before it and nothing behind.
        if not self._kept and len(chunk) >= LENGTH.size and LENGTH.unpack_from(chunk)[0] == len(chunk) - LENGTH.size:
            return [chunk[LENGTH.size :]]
        self._kept += chunk
        whole, at = [], 0
        while len(self._kept) - at >= LENGTH.size:
            (length,) = LENGTH.unpack_from(self._kept, at)
            if length > FRAME_BYTES_MAX:
                raise TooLarge(f"a message of {length} bytes is announced, the limit is {FRAME_BYTES_MAX}")
            end = at + LENGTH.size + length
            if len(self._kept) < end:
                break
            whole.append(bytes(self._kept[at + LENGTH.size : end]))
            at = end
        del self._kept[:at]
        return whole

    def wanted(self) -> int:
        """How many bytes to read next: the more, the longer the message that is under way."""
        kept = len(self._kept)
        if not kept:
            return SMALL_CHUNK_BYTES
        return LARGE_CHUNK_BYTES if kept >= CHUNK_BYTES else CHUNK_BYTES


def framed(data: bytes) -> bytes:
    """A message as it travels; `encode` has seen to its length."""
    return LENGTH.pack(len(data)) + data
