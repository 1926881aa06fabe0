"""Block devices: how long they are, and pieces of them, read, written and overwritten."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path
from typing import Final

from tierhost.workers.runtime.contract import Code, DriverError

WIPE_BYTES: Final = 4 << 20
SECTOR_BYTES: Final = 512
SYS_BLOCK: Final = Path("/sys/class/block")


def kernel_name(device: str) -> str:
    """Return what the kernel calls a device, whatever link leads to it."""
    return os.path.basename(os.path.realpath(device))


def is_block_device(path: str) -> bool:
    """Whether there is one."""
    try:
        return stat.S_ISBLK(os.stat(path).st_mode)
    except OSError:
        return False


def number_of(name: str, what: str) -> int:
    """Read one of the numbers that the kernel shows of a device; 0 if there is none."""
    try:
        return int((SYS_BLOCK / name / what).read_text())
    except (OSError, ValueError):
        return 0


def read_piece(path: str, offset: int, length: int) -> bytes:
    """Read at most `length` bytes. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(fd, length, offset)
    finally:
        os.close(fd)


def write_piece(path: str, offset: int, data: bytes) -> None:
    """Write bytes and make them durable. Raises OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        _write(fd, offset, data)
        os.fsync(fd)
    finally:
        os.close(fd)


def wipe(path: str, offset: int, length: int, deadline_s: float) -> None:
    """Overwrite a part with zeros, durably. Raises OSError, DriverError."""
    zeros = bytes(WIPE_BYTES)
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        for done in range(0, length, WIPE_BYTES):
            if time.monotonic() > deadline_s:
                raise DriverError(
                    f"wiped {done} of {length} bytes in the time the caller gave",
                    code=Code.OPERATION_TIMEOUT,
                    hint="wipe it again with a longer deadline",
                )
            _write(fd, offset + done, zeros[: length - done])
        os.fsync(fd)
    finally:
        os.close(fd)


def _write(fd: int, offset: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(fd, rest, offset)
        rest, offset = rest[written:], offset + written
