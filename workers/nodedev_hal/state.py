"""What HAL's properties make of a device: a name, a kind, a place in the tree, and its XML. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from tierhost.workers.runtime.node_devices import COMPUTER, Device, Node, device_xml, texts

Properties: TypeAlias = Mapping[str, Any]
"""Of one device: HAL's keys ("net.interface") and plain values."""

UDI_PREFIX: Final = "/org/freedesktop/Hal/devices/"
KINDS: Final = ("pci", "usb_device", "usb", "net", "scsi_host", "scsi", "storage")
"""HAL's capabilities that are libvirt's too; the first that a device has is what it is."""

DEPTH_MAX: Final = 32
SECTOR_BYTES: Final = 512
PCI_ADDRESS: Final = re.compile(r"([0-9a-f]{4,8}):([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])\Z")
NO_UUID: Final = "00000000-0000-0000-0000-000000000000"


def device_of(udi: str, known: Mapping[str, Properties]) -> Device | None:
    """Make a device of what HAL says; None for what libvirt does not count as one."""
    properties = known[udi]
    name = udi.rpartition("/")[2]
    if name == COMPUTER:
        return Device(COMPUTER, udi, "system")
    has = properties.get("info.capabilities")
    capabilities = has if isinstance(has, list) else []
    kind = next((kind for kind in KINDS if kind in capabilities), "")
    return Device(name, udi, kind, tuple(above(udi, known))) if kind else None


def above(udi: str, known: Mapping[str, Properties]) -> Iterable[str]:
    """Yield what a device sits on, nearest first; a ring of parents ends."""
    for _ in range(DEPTH_MAX):
        udi = text(known.get(udi, {}), "info.parent")
        if not udi:
            return
        yield udi


def describe(device: Device, parent: str, properties: Properties) -> str:
    """Write a device's XML."""
    head = [*texts(path=text(properties, "linux.sysfs_path") or None)]
    if driver := text(properties, "info.linux.driver"):
        head.append(Node("driver", children=texts(name=driver)))
    return device_xml(device, parent, head, BODIES[device.capability](properties))


def text(properties: Properties, key: str) -> str:
    """Return a property as text; empty if it is not there, or is a list."""
    value = properties.get(key)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int) else ""


def _number(properties: Properties, key: str) -> str:
    value = properties.get(key)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else "0"


def _system(properties: Properties) -> Iterable[Node]:
    hardware, firmware = "system.hardware.", "system.firmware."
    yield from texts(product=text(properties, f"{hardware}product"))
    named = texts(**{tag: text(properties, hardware + tag) for tag in ("vendor", "version", "serial")})
    uuid = text(properties, f"{hardware}uuid").lower() or NO_UUID
    yield Node("hardware", children=(*named, Node("uuid", uuid)))
    yield Node(
        "firmware", children=texts(**{tag: text(properties, firmware + tag) for tag in ("vendor", "version", "release_date")})
    )


def _pci(properties: Properties) -> Iterable[Node]:
    kinds = [properties.get(f"pci.device_{part}") for part in ("class", "subclass", "protocol")]
    if all(isinstance(kind, int) for kind in kinds):
        yield Node("class", "0x" + "".join(f"{kind:02x}" for kind in kinds))
    path = text(properties, "pci.linux.sysfs_path") or text(properties, "linux.sysfs_path")
    address = PCI_ADDRESS.match(path.rpartition("/")[2])
    digits = address.groups() if address else ("0",) * 4
    for tag, number in zip(("domain", "bus", "slot", "function"), digits, strict=True):
        yield Node(tag, str(int(number, 16)))
    yield from _made_by(properties, "pci")


def _made_by(properties: Properties, kind: str) -> Iterable[Node]:
    for tag in ("product", "vendor"):
        number = int(_number(properties, f"{kind}.{tag}_id")) & 0xFFFF
        yield Node(tag, text(properties, f"{kind}.{tag}"), {"id": f"0x{number:04x}"})


def _usb_device(properties: Properties) -> Iterable[Node]:
    yield Node("bus", _number(properties, "usb_device.bus_number"))
    yield Node("device", _number(properties, "usb_device.linux.device_number"))
    yield from _made_by(properties, "usb_device")


def _usb(properties: Properties) -> Iterable[Node]:
    for tag in ("number", "class", "subclass", "protocol"):
        yield Node(tag, _number(properties, f"usb.interface.{tag}"))
    yield from texts(description=text(properties, "usb.interface.description"))


def _net(properties: Properties) -> Iterable[Node]:
    yield from texts(interface=text(properties, "net.interface"), address=text(properties, "net.address"))
    capabilities = properties.get("info.capabilities")
    wireless = isinstance(capabilities, list) and "net.80211" in capabilities
    yield Node("capability", "", {"type": "80211" if wireless else "80203"})


def _scsi_host(properties: Properties) -> Iterable[Node]:
    yield Node("host", _number(properties, "scsi_host.host"))


def _scsi(properties: Properties) -> Iterable[Node]:
    for tag in ("host", "bus", "target", "lun"):
        yield Node(tag, _number(properties, f"scsi.{tag}"))
    yield from texts(type=text(properties, "scsi.type"))


def _storage(properties: Properties) -> Iterable[Node]:
    yield Node("block", text(properties, "block.device"))
    for tag in ("bus", "drive_type", "model", "vendor", "serial"):
        yield from texts(**{tag: text(properties, f"storage.{tag}")})
    if properties.get("storage.removable") is True:
        there = properties.get("storage.removable.media_available") is True
        media = (
            Node("media_available", str(int(there))),
            Node("media_size", _number(properties, "storage.removable.media_size")),
        )
        yield Node("capability", "", {"type": "removable"}, media)
    else:
        yield Node("size", _number(properties, "storage.size"))
    if properties.get("storage.hotpluggable") is True:
        yield Node("capability", "", {"type": "hotpluggable"})


BODIES: Final[Mapping[str, Callable[[Properties], Iterable[Node]]]] = {
    "system": _system,
    "pci": _pci,
    "usb_device": _usb_device,
    "usb": _usb,
    "net": _net,
    "scsi_host": _scsi_host,
    "scsi": _scsi,
    "storage": _storage,
}
"""By capability."""
