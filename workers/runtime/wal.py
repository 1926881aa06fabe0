"""What a write-ahead log says of itself: the last commit that stands in it, whether SQLite can follow it that far or not.

SQLite ends a log at the first frame whose check sum is wrong, and takes what stands before it for everything. The format is
in https://www.sqlite.org/fileformat2.html#walformat.
"""

from __future__ import annotations

import os
import struct
from typing import Final, NamedTuple

import msgpack

HEADER: Final = struct.Struct(">6I8s")
"""Magic, version, page size, checkpoint number, two salts, check sum over all that."""

FRAME: Final = struct.Struct(">2I8s8s")
"""Page number, size of the database if this frame ends a commit (else 0), salts, check sum."""

MAGIC_BIG_ENDIAN: Final = 0x377F0683
PAGE_BYTES: Final = frozenset(1 << power for power in range(9, 17))
SEAL_BEGINS: Final = b"\x96\xc4\x10"
"""A list of six, whose first is sixteen bytes: how a seal's body begins (rows.Seal.raw)."""

GENERATION: Final = 3
"""Its place in that list."""

BROKEN: Final = 1 << 62
"""Above every generation: the log's own header is broken, so nobody knows what stood in it."""


class _Log(NamedTuple):
    fd: int
    page_bytes: int
    salts: bytes
    frames: int

    def frame(self, number: int) -> tuple[bool, bytes, bytes]:
        """Whether a frame ends a commit, its salts, and its page."""
        data = os.pread(self.fd, FRAME.size + self.page_bytes, HEADER.size + number * (FRAME.size + self.page_bytes))
        _, size, salts, _ = FRAME.unpack_from(data)
        return size != 0, salts, data[FRAME.size :]


def last_generation(path: str) -> int:
    """Return the generation of the last commit in the log at `path`; 0 if there is none, BROKEN if nobody can tell.

    Called at each opening of a store, so it reads from the end, and mostly one commit. Opening the log beside SQLite is safe:
    its locks are on the database.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0  # no log; or SQLite will say better what is wrong with it
    try:
        return _said_by(fd)
    except OSError:
        return 0  # a folder stands there, or the disk fails: again for SQLite to say
    finally:
        os.close(fd)


def _said_by(fd: int) -> int:
    size = os.fstat(fd).st_size
    header = os.pread(fd, HEADER.size, 0)
    if size <= HEADER.size:
        return 0
    if not _is_sound(header):
        return BROKEN
    page_bytes = HEADER.unpack(header)[2]
    return _last(_Log(fd, page_bytes, header[16:24], (size - HEADER.size) // (FRAME.size + page_bytes)))


def _last(log: _Log) -> int:
    """Go back from the end to the first seal that can be read; what was committed after that is counted."""
    commits_after = 0
    in_commit = False
    for number in reversed(range(log.frames)):
        ends, salts, page = log.frame(number)
        if salts != log.salts:
            # Left from before the log was begun anew.
            continue
        if ends:
            commits_after += in_commit
            in_commit = True
        generation = _generation_in(page) if in_commit else 0
        if generation:
            return generation + commits_after
    return 0


def _generation_in(page: bytes) -> int:
    at = page.find(SEAL_BEGINS)
    while at >= 0:
        unpacker = msgpack.Unpacker(max_buffer_size=len(page))
        unpacker.feed(page[at:])
        try:
            body = unpacker.unpack()
        except (ValueError, msgpack.UnpackException):
            body = None
        if isinstance(body, list) and isinstance(body[GENERATION], int):
            return body[GENERATION]
        at = page.find(SEAL_BEGINS, at + 1)
    return 0


def _is_sound(header: bytes) -> bool:
    magic, _, page_bytes, *_ = HEADER.unpack(header)
    if magic | 1 != MAGIC_BIG_ENDIAN or page_bytes not in PAGE_BYTES:
        return False
    # The lowest bit of the magic says in which order the check sum reads its words; it is written big-endian all the same.
    words = struct.unpack(">6I" if magic & 1 else "<6I", header[:24])
    first = second = 0
    for left, right in zip(words[::2], words[1::2], strict=True):
        first = (first + left + second) & 0xFFFFFFFF
        second = (second + right + first) & 0xFFFFFFFF
    return header[24:] == struct.pack(">2I", first, second)
