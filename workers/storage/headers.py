"""Tell what a disk image is by its first bytes: format, capacity, backing file. Reads no more than that, runs nothing."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import Final

HEAD_BYTES: Final = 64 << 10
"""Enough for the header of every format below, with the name of a backing file."""

QCOW2_MAGIC: Final = b"QFI\xfb"
QCOW2_BACKING_FORMAT: Final = 0xE2792ACA
LUKS_MAGIC: Final = b"LUKS\xba\xbe"
SECTOR_BYTES: Final = 512

OTHER_FORMATS: Final[tuple[tuple[str, int, bytes], ...]] = (
    ("vmdk", 0, b"KDMV"),
    ("qed", 0, b"QED\0"),
    ("vhdx", 0, b"vhdxfile"),
    ("vpc", 0, b"conectix"),
    ("vdi", 0x40, b"\x7f\x10\xda\xbe"),
    ("iso", 0x8001, b"CD001"),
)
"""Formats we recognize, so that nobody takes them for raw, and do not make."""


@dataclass(frozen=True, slots=True)
class Header:
    """What an image says of itself. `luks` marks an encrypted payload; `payload_offset` is where it begins, in bytes."""

    format: str
    capacity: int
    backing_path: str = ""
    backing_format: str = ""
    luks: bool = False
    payload_offset: int = 0
    damage: str = ""


def probe(head: bytes, size: int) -> Header:
    """Recognize an image by its first bytes and its size. What looks like nothing known is raw."""
    if head.startswith(QCOW2_MAGIC):
        return _qcow2(head, size)
    if head.startswith(LUKS_MAGIC):
        return _luks(head, size)
    for name, offset, magic in OTHER_FORMATS:
        if head[offset : offset + len(magic)] == magic:
            return Header(name, size)
    return Header("raw", size)


def read_header(path: str, recorded: tuple[str, bool] | None = None) -> Header:
    """Look at a file; `recorded` says what we made: its format, and whether it is encrypted. Raises OSError.

    A raw volume that we made is never probed: its guest writes its first bytes, and could make it look like a qcow2
    image whose backing file is any file of the host.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        size = os.fstat(fd).st_size
        if recorded == ("raw", False):
            return Header("raw", size)
        header = probe(os.pread(fd, HEAD_BYTES, 0), size)
    finally:
        os.close(fd)
    if recorded is not None and (header.format, header.luks) != recorded:
        name = "an encrypted volume" if recorded[1] else recorded[0]
        return Header(recorded[0], size, luks=recorded[1], damage=f"it should be {name}, and its first bytes are not")
    return header


def _qcow2(head: bytes, size: int) -> Header:
    try:
        version, backing_offset, backing_bytes, _, capacity, crypt = struct.unpack_from(">IQIIQI", head, 4)
        header_bytes = struct.unpack_from(">I", head, 100)[0] if version > 2 else 72  # noqa: PLR2004  # qcow2 version 2
        backing = head[backing_offset : backing_offset + backing_bytes].decode(errors="replace") if backing_offset else ""
        backing_format = _extension(head, header_bytes, QCOW2_BACKING_FORMAT) if backing else ""
    except struct.error:
        return Header("qcow2", size, damage="its qcow2 header is cut short")
    return Header("qcow2", capacity, backing, backing_format, luks=crypt == 2)  # noqa: PLR2004  # QCOW_CRYPT_LUKS


def _extension(head: bytes, offset: int, wanted: int) -> str:
    while offset + 8 <= len(head):
        kind, length = struct.unpack_from(">II", head, offset)
        if kind == wanted:
            return head[offset + 8 : offset + 8 + length].decode(errors="replace")
        if kind == 0:
            break
        offset += 8 + (length + 7) // 8 * 8
    return ""


def _luks(head: bytes, size: int) -> Header:
    """LUKS 1 names its payload in the header; LUKS 2, which we only recognize, in its JSON area (16 MiB by default)."""
    try:
        version = struct.unpack_from(">H", head, 6)[0]
        offset = struct.unpack_from(">I", head, 104)[0] * SECTOR_BYTES if version == 1 else _luks2_offset(head)
    except (struct.error, ValueError):
        return Header("raw", size, luks=True, damage="its LUKS header is cut short")
    return Header("raw", max(0, size - offset), luks=True, payload_offset=offset)


def _luks2_offset(head: bytes) -> int:
    mark = b'"offset":"'
    segments = head.index(b'"segments"')
    start = head.index(mark, segments) + len(mark)
    return int(head[start : head.index(b'"', start)])
