"""Values: each kind reads what libvirt's users write, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierhost.workers.nwfilter import values

if TYPE_CHECKING:
    from tierhost.workers.nwfilter.values import Kind


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (values.MAC, "52:54:0:AA:b:1", "52:54:00:aa:0b:01"),
        (values.MAC_RAW, "00:00:00:00:01:02", 0x102),
        (values.IP4_RAW, "0.0.1.2", 0x102),
        (values.IP6, "FE80:0::1", "fe80::1"),
        (values.ETHER_TYPE, "IPv4", 0x0800),
        (values.ETHER_TYPE, "0x88cc", 0x88CC),
        (values.OPCODE, "Request_Reverse", 3),
        (values.BYTE, "255", 255),
        (values.BOOLEAN_FLAGS, "ALL/NONE", "63/0"),
    ],
)
def test_what_is_right_is_read(kind: Kind, text: str, value: object) -> None:
    assert kind.read(text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (values.MAC, "52:54:00:00:00"),
        (values.MAC, "52:54:00:00:00:123"),
        (values.MAC, "52:54:00:00:00:-1"),
        (values.IP4, "10.0.0"),
        (values.IP4, "010.0.0.1"),
        (values.IP6, "fe80::1%eth0"),
        (values.BYTE, "256"),
        (values.BYTE, "-1"),
        (values.BYTE, "٣"),
        (values.BYTE, ""),
        (values.SHORT, "0x10000"),
    ],
)
def test_what_is_wrong_is_refused(kind: Kind, text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        kind.read(text)


@pytest.mark.parametrize("mask", ["33", "255.0.255.0", "x", ""])
def test_a_mask_with_holes_is_none(mask: str) -> None:
    assert values.IP4.masked is not None
    with pytest.raises(ValueError, match="mask"):
        values.IP4.masked({}, "10.0.0.1", mask)


def test_a_mask_for_ipv6_with_holes_is_none() -> None:
    assert values.IP6.masked is not None
    with pytest.raises(ValueError, match="mask"):
        values.IP6.masked({}, "fe80::1", "ff00:ff00::")
