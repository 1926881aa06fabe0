"""Files of a pool: publish a whole one under its name, remove it, overwrite it, read and write pieces of it."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.storage.directories import apply_permissions

if TYPE_CHECKING:
    from tierhost.workers.storage.xml_values import Permissions

HALF_MADE: Final = ".tierhost-{}.part"
WIPE_CHUNK_BYTES: Final = 1 << 20

MODE_DEFAULT: Final = 0o600
"""libvirt's: a disk image is nobody else's business."""


def half_made_name() -> str:
    """Make up the hidden name of a file that is not whole yet."""
    return HALF_MADE.format(os.urandom(6).hex())


def publish(half_made: str, path: str, permissions: Permissions) -> None:
    """Make a whole file durable, then give it its name; never over a file that is there. Raises OSError."""
    apply_permissions(half_made, permissions if permissions.mode is not None else replace(permissions, mode=MODE_DEFAULT))
    _sync(half_made, os.O_RDONLY)
    try:
        os.link(half_made, path)
    except FileExistsError:
        raise
    except OSError:
        # A file system without hard links. Between look and rename a file of somebody else could appear: they were told.
        if os.path.lexists(path):
            raise FileExistsError(path) from None
        os.rename(half_made, path)
    with suppress(FileNotFoundError):
        os.unlink(half_made)
    sync_folder(path)


def remove(path: str) -> None:
    """Remove a file durably; one that is gone already is fine. Raises OSError."""
    with suppress(FileNotFoundError):
        os.unlink(path)
    sync_folder(path)


def sync_folder(path: str) -> None:
    """Make a file's name, or its absence, durable."""
    _sync(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: str, flags: int) -> None:
    fd = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def set_size(path: str, size: int, *, allocate: bool) -> None:
    """Give a file another size, durably. Raises OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if allocate:
            os.posix_fallocate(fd, 0, size)
        os.ftruncate(fd, size)
        os.fsync(fd)
    finally:
        os.close(fd)


def wipe(path: str, deadline_s: float) -> None:
    """Overwrite with zeros every byte that is allocated; holes have never held anything. Raises OSError, DriverError."""
    zeros = memoryview(bytes(WIPE_CHUNK_BYTES))
    fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        size = os.fstat(fd).st_size
        start, end = _allocated(fd, 0, size)
        while start < size:
            if time.monotonic() > deadline_s:
                raise DriverError(
                    f"wiped {start} of {size} bytes in the time the caller gave",
                    code=Code.OPERATION_TIMEOUT,
                    hint="wipe it again with a longer deadline",
                )
            start += os.pwrite(fd, zeros[: end - start], start)
            if start >= end:
                start, end = _allocated(fd, start, size)
        os.fsync(fd)
    finally:
        os.close(fd)


def _allocated(fd: int, offset: int, size: int) -> tuple[int, int]:
    """Find the next allocated range; (size, size) when there is none."""
    try:
        start = os.lseek(fd, offset, os.SEEK_DATA)
        return start, os.lseek(fd, start, os.SEEK_HOLE)
    except OSError:
        # ENXIO: nothing but holes from here on
        return size, size


def read_piece(path: str, offset: int, length: int) -> bytes:
    """Read at most `length` bytes. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return os.pread(fd, length, offset)
    finally:
        os.close(fd)


def write_piece(path: str, offset: int, data: bytes, *, durable: bool = True) -> None:
    """Write bytes and make them durable (unless that is done later, for all pieces at once). Raises OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        rest = memoryview(data)
        while rest:
            written = os.pwrite(fd, rest, offset)
            rest, offset = rest[written:], offset + written
        if durable:
            os.fdatasync(fd)
    finally:
        os.close(fd)
