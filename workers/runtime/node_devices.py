"""Devices of a machine as libvirt knows them, for every driver that finds some: a tree of names, each with its XML. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from lxml import etree

from tierhost.ipc.errors import Code, DriverError

COMPUTER: Final = "computer"
"""The name of the machine itself, at the root of the tree."""

CAPABILITIES: Final = (
    *("system", "pci", "usb_device", "usb", "net", "scsi_host", "scsi_target", "scsi", "storage"),
    *("fc_host", "vports", "scsi_generic", "drm"),
)
"""What a device can be; the place in this list is the bit of virConnectListAllNodeDeviceFlags."""

NO_XML: Final = str.maketrans(dict.fromkeys([*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF], "?"))
"""Characters that no XML can hold: what a device says of itself is its maker's word, and any bytes at all."""


@dataclass(frozen=True, slots=True)
class Node:
    """An element of a device's description: text or children."""

    tag: str
    text: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    children: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Device:
    """One device. `place` is where its driver finds it (a path in /sys, a HAL udi), and `above` where what it sits on is.

    `capability` is what it is; `also` are the capabilities within that one ("fc_host").
    """

    name: str
    place: str
    capability: str
    above: tuple[str, ...] = ()
    also: tuple[str, ...] = ()

    @property
    def capabilities(self) -> tuple[str, ...]:
        """Everything it can be asked for as."""
        return (self.capability, *self.also)


Places: TypeAlias = Mapping[str, Device]


class Shelf:
    """All devices as of one moment. Replaced as a whole: readers need no lock."""

    def __init__(self, devices: Iterable[Device] = ()) -> None:
        """Keep devices; of two with one name the first is kept, so that every name means one device."""
        self.by_place: dict[str, Device] = {}
        self.by_name: dict[str, Device] = {}
        for device in devices:
            if device.name not in self.by_name:
                self.by_place[device.place] = device
                self.by_name[device.name] = device

    def with_device(self, device: Device) -> Shelf:
        """Return the shelf with a device, in the place of what was there."""
        return Shelf([*(other for other in self.by_place.values() if other.place != device.place), device])

    def without(self, place: str) -> Shelf:
        """Return the shelf without the device at a place."""
        return Shelf(other for other in self.by_place.values() if other.place != place)

    def find(self, name: object) -> Device:
        """Return the device of this name. Raises DriverError."""
        found = self.by_name.get(name) if isinstance(name, str) else None
        if found is None:
            reason = f"no node device with matching name '{str(name)[:80]}'"
            hint = "`node_list_devices ''` lists them"
            raise DriverError(reason, code=Code.NO_NODE_DEVICE, subject="node device", hint=hint)
        return found

    def parent_of(self, device: Device) -> str:
        """Return the name of what a device sits on; the machine's own is empty."""
        near = (self.by_place[place].name for place in device.above if place in self.by_place)
        return next(near, COMPUTER if device.name != COMPUTER else "")

    def select(self, capability: str = "", flags: int = 0) -> list[Device]:
        """Return the devices that are what is asked for, by name: one capability, or any of libvirt's flags."""
        wanted = {name for at, name in enumerate(CAPABILITIES) if flags & 1 << at} | ({capability} if capability else set())
        chosen = (device for device in self.by_name.values() if not wanted or wanted.intersection(device.capabilities))
        return sorted(chosen, key=lambda device: device.name)

    def children_of(self, name: str) -> list[str]:
        """Return the names of what sits on a device."""
        return sorted(device.name for device in self.by_name.values() if self.parent_of(device) == name)

    def changes_to(self, after: Shelf) -> tuple[list[str], list[str]]:
        """Return the names that are new in another shelf, and those that are gone from this one."""
        return sorted(after.by_name.keys() - self.by_name.keys()), sorted(self.by_name.keys() - after.by_name.keys())


def name_of(*parts: str) -> str:
    """Make a device's name as libvirt does: whatever is neither letter nor digit becomes an underscore."""
    joined = "_".join(part for part in parts if part)
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in joined)


def texts(**values: str | None) -> tuple[Node, ...]:
    """Make elements that hold a text, leaving out what is not known."""
    return tuple(Node(tag, text) for tag, text in values.items() if text)


def device_xml(device: Device, parent: str, head: Iterable[Node], body: Iterable[Node]) -> str:
    """Write the XML of a device: what stands in front (path, devnode, driver), and what is in its capability."""
    root = etree.Element("device")
    etree.SubElement(root, "name").text = device.name
    stands = list(head)
    for node in stands:
        if node.tag != "driver":
            _append(root, node)
    if parent:
        etree.SubElement(root, "parent").text = parent
    for node in stands:
        if node.tag == "driver":
            _append(root, node)
    capability = etree.SubElement(root, "capability", type=device.capability)
    for node in body:
        _append(capability, node)
    return str(etree.tostring(root, encoding="unicode", pretty_print=True))


def _append(above: etree._Element, node: Node) -> None:
    element = etree.SubElement(above, node.tag, {name: value.translate(NO_XML) for name, value in node.attributes.items()})
    element.text = node.text.translate(NO_XML) or None
    for child in node.children:
        _append(element, child)
