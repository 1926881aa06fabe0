"""Changes to a definition's XML that we make ourselves: one disk more or less, the very machine, a password shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxml import etree

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.workers.qemu.domain import Domain


def with_disk(xml: str, disk: str) -> str:
    """The definition with one disk more."""
    root = etree.fromstring(xml)
    devices = root.find("devices")
    if devices is None:
        devices = etree.SubElement(root, "devices")
    devices.append(etree.fromstring(disk))
    return _text(root)


def without_disk(xml: str, target: str) -> str:
    """The definition without the disk of this target."""
    root = etree.fromstring(xml)
    for devices in root.iterfind("devices"):
        for disk in devices.findall("disk"):
            place = disk.find("target")
            if place is not None and place.get("dev") == target:
                devices.remove(disk)
    return _text(root)


def with_machine(xml: str, machine: str) -> str:
    """The definition with another machine type."""
    root = etree.fromstring(xml)
    for kind in root.iterfind("os/type"):
        kind.set("machine", machine)
    return _text(root)


def as_shown(
    domain: Domain, *, number: int | None, secure: bool, vnc_port: int | None = None, taps: Mapping[str, str] | None = None
) -> str:
    """The definition for somebody to read: with number and devices of cards (by MAC) if it runs, with its password on request."""
    root = etree.fromstring(domain.xml)
    if number is not None:
        root.set("id", str(number))
    for graphics in root.iterfind("devices/graphics"):
        if vnc_port is not None:
            graphics.set("port", str(vnc_port))
        if secure and domain.graphics is not None and domain.graphics.password:
            graphics.set("passwd", domain.graphics.password)
    if taps:
        for interface, card in zip(root.iterfind("devices/interface"), domain.interfaces, strict=True):
            if card.mac in taps:
                target = interface.find("target")
                target = etree.SubElement(interface, "target") if target is None else target
                target.set("dev", taps[card.mac])
    return _text(root)


def _text(root: etree._Element) -> str:
    return str(etree.tostring(root, encoding="unicode", pretty_print=True))
