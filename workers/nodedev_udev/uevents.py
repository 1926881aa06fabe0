"""Events of the kernel and of udev, as they come over netlink: from bytes to a change of one device. Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from tierhost.workers.nodedev_udev.state import SYS, read_properties

KERNEL_GROUP, UDEV_GROUP = 1, 2
"""Multicast groups of NETLINK_KOBJECT_UEVENT: what the kernel says, and what udevd says when its rules have run."""

UDEV_PREFIX: Final = b"libudev\0"
UDEV_MAGIC: Final = 0xFEEDCAFE
UDEV_HEADER: Final = struct.Struct("=8s4xIII")
"""Prefix, magic (big-endian, so read apart), header size, offset and length of the properties."""
MAGIC_AT: Final = struct.Struct(">8xI")

GONE: Final = frozenset({"remove"})


@dataclass(frozen=True, slots=True)
class Uevent:
    """Something happened to the device at `path`. `number` counts the kernel's events; udev repeats it."""

    action: str
    path: str
    subsystem: str
    number: int
    before: str = ""
    """The path it had before it was moved (a network card that was given another name)."""


def parse(data: bytes, group: int) -> Uevent | None:
    """Read one datagram of a group; None for what is not what it should be."""
    if group == UDEV_GROUP:
        body = _udev_body(data)
    elif group == KERNEL_GROUP and b"@" in data.partition(b"\0")[0]:
        body = data.partition(b"\0")[2]
    else:
        return None
    properties = read_properties(body.replace(b"\n", b" ").replace(b"\0", b"\n").decode(errors="replace"))
    path, before = properties.get("DEVPATH", ""), properties.get("DEVPATH_OLD", "")
    number = properties.get("SEQNUM", "0")
    if not _is_path(path) or (before and not _is_path(before)) or not properties.get("ACTION") or not number.isdecimal():
        return None
    return Uevent(properties["ACTION"], SYS + path, properties.get("SUBSYSTEM", ""), int(number), SYS + before if before else "")


def _udev_body(data: bytes) -> bytes:
    if len(data) < UDEV_HEADER.size or not data.startswith(UDEV_PREFIX) or MAGIC_AT.unpack_from(data)[0] != UDEV_MAGIC:
        return b""
    _, _, offset, length = UDEV_HEADER.unpack_from(data)
    return data[offset : offset + length]


def _is_path(path: str) -> bool:
    """Nothing that a message says may lead us out of /sys/devices."""
    return path.startswith("/devices/") and "/../" not in f"{path}/"
