"""What comes over netlink: the kernel's words, udev's, and words that are neither."""

from __future__ import annotations

import struct

import pytest

from tierhost.workers.nodedev_udev.uevents import KERNEL_GROUP, UDEV_GROUP, Uevent, parse

BODY = b"ACTION=add\0DEVPATH=/devices/virtual/net/v0\0SUBSYSTEM=net\0INTERFACE=v0\0SEQNUM=77\0"
ADDED = Uevent("add", "/sys/devices/virtual/net/v0", "net", 77)


def udev(body: bytes, magic: int = 0xFEEDCAFE, offset: int = 40) -> bytes:
    head = b"libudev\0" + struct.pack(">I", magic) + struct.pack("=IIIIIII", 40, offset, len(body), 0, 0, 0, 0)
    return head + body


def test_both_say_the_same_of_a_device() -> None:
    assert parse(b"add@/devices/virtual/net/v0\0" + BODY, KERNEL_GROUP) == ADDED
    assert parse(udev(BODY), UDEV_GROUP) == ADDED


def test_a_device_that_moved_has_two_paths() -> None:
    event = parse(b"move@/x\0" + BODY.replace(b"add", b"move") + b"DEVPATH_OLD=/devices/virtual/net/v9\0", KERNEL_GROUP)
    assert event is not None
    assert event.before == "/sys/devices/virtual/net/v9"


@pytest.mark.parametrize(
    ("data", "group"),
    [
        (b"", KERNEL_GROUP),
        (BODY, KERNEL_GROUP),
        (b"add@/devices/x\0ACTION=add\0", KERNEL_GROUP),
        (b"add@x\0" + BODY.replace(b"/devices", b"/etc"), KERNEL_GROUP),
        (b"add@x\0" + BODY.replace(b"virtual", b".."), KERNEL_GROUP),
        (b"add@x\0" + BODY.replace(b"net/v0", b".."), KERNEL_GROUP),
        (b"add@x\0" + BODY + b"DEVPATH_OLD=/tmp\0", KERNEL_GROUP),
        (b"add@x\0" + BODY.replace(b"77", b"-7"), KERNEL_GROUP),
        (b"add@x\0" + BODY.replace(b"/virtual", b"/virtual\n/x"), KERNEL_GROUP + 2),
        (udev(BODY, magic=1), UDEV_GROUP),
        (udev(BODY, offset=4000), UDEV_GROUP),
        (udev(BODY)[:20], UDEV_GROUP),
        (b"add@/devices/x\0" + BODY, UDEV_GROUP),
        (udev(BODY), KERNEL_GROUP),
        (udev(BODY), 0),
    ],
)
def test_what_is_not_what_it_should_be_is_nothing(data: bytes, group: int) -> None:
    assert parse(data, group) is None
