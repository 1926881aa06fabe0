"""Pieces of domain XML that several tests put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierhost.workers.qemu.domain_xml import from_xml

if TYPE_CHECKING:
    from tierhost.workers.qemu.domain import Domain

UUID = "0d4b2f9e-52a7-4a53-8a10-6a8f0c6d7e01"
DISK = "<disk type='file'><source file='/srv/a.img'/><target dev='vda'/></disk>"


def domain(devices: str = "", *, more: str = "", os: str = "", machine: str = "", kind: str = "qemu", vcpu: str = "") -> str:
    """A whole definition around what a test is about."""
    machine = f" machine='{machine}'" if machine else ""
    return (
        f"<domain type='{kind}'><name>web</name><uuid>{UUID}</uuid><memory unit='MiB'>16</memory>{vcpu}"
        f"<os><type{machine}>hvm</type>{os}</os>{more}<devices>{devices}</devices></domain>"
    )


def read(text: str) -> Domain:
    """The definition, all of which must be understood."""
    found, unread = from_xml(text)
    assert unread == []
    return found
