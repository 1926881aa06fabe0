"""What a pool's units are asked, in the envoy's process: each public method is one call, in a session of its own."""

from __future__ import annotations

import errno
import time
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.storage.iscsi.library import Library
from tierhost.workers.storage.iscsi.session import Session, checked_password, session

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

WIPE_BYTES: Final = 4 << 20

Answer = tuple[Any, bytes]


def open_storage(settings: dict[str, Any], key: bytes) -> Units:
    """Prepare for sessions. Raises OSError: ENOSYS without the library, EKEYREJECTED for what cannot be a password."""
    if settings["user"]:
        checked_password(key)
    return Units(Library(), settings, key)


class Units:
    """The calls."""

    def __init__(self, library: Library, settings: dict[str, Any], password: bytes) -> None:
        self._library, self._settings, self._password = library, settings, password

    def _session(self) -> AbstractContextManager[Session]:
        return session(self._library, self._settings, self._password)

    def ping(self, **_: Any) -> Answer:
        """Log in, and out again."""
        with self._session():
            return None, b""

    def names(self, **_: Any) -> Answer:
        """List the numbers of the disks, and those of units that are none."""
        with self._session() as opened:
            units = opened.units()
            disks = [unit for unit in units if opened.is_disk(unit)]
        return [disks, [unit for unit in units if unit not in disks]], b""

    def space(self, **_: Any) -> Answer:
        """Bytes of all disks."""
        with self._session() as opened:
            sizes = [opened.size(unit) for unit in opened.units() if opened.is_disk(unit)]
        return sum(blocks * block_bytes for blocks, block_bytes in sizes), b""

    def look(self, *, unit: int, **_: Any) -> Answer:
        """Size, and what tells the disk from another one of its number."""
        with self._session() as opened:
            if unit not in opened.units() or not opened.is_disk(unit):
                raise OSError(errno.ENOENT, f"there is no disk {unit}")
            blocks, block_bytes = opened.size(unit)
            return {"size": blocks * block_bytes, "serial": opened.serial(unit)}, b""

    def read(self, *, unit: int, offset: int, length: int, **_: Any) -> Answer:
        """Read a piece; less at the end."""
        with self._session() as opened:
            blocks, block_bytes = opened.size(unit)
            length = min(length, max(0, blocks * block_bytes - offset))
            if not length:
                return None, b""
            start, end = around(offset, length, block_bytes)
            return None, opened.read(unit, block_bytes, start, end - start)[offset - start : offset - start + length]

    def write(self, *, unit: int, offset: int, data: bytes, **_: Any) -> Answer:
        """Write a piece, durably; what is around it in its first and last block stays."""
        with self._session() as opened:
            block_bytes = opened.size(unit)[1]
            start, end = around(offset, len(data), block_bytes)
            if end - start != len(data):
                whole = bytearray(opened.read(unit, block_bytes, start, end - start))
                whole[offset - start : offset - start + len(data)] = data
                data = bytes(whole)
            opened.write(unit, block_bytes, start, data)
            opened.flush(unit)
        return None, b""

    def wipe(self, *, unit: int, deadline_s: float, **_: Any) -> Answer:
        """Overwrite with zeros; says how far it came: the size if it is done."""
        zeros = bytes(WIPE_BYTES)
        with self._session() as opened:
            blocks, block_bytes = opened.size(unit)
            size = blocks * block_bytes
            done = size
            for offset in range(0, size, WIPE_BYTES):
                if time.monotonic() > deadline_s:
                    done = offset
                    break
                opened.write(unit, block_bytes, offset, zeros[: size - offset])
            opened.flush(unit)
        return done, b""


def around(offset: int, length: int, block_bytes: int) -> tuple[int, int]:
    """Return where the blocks begin and end that have these bytes in them."""
    return offset // block_bytes * block_bytes, -(-(offset + length) // block_bytes) * block_bytes
