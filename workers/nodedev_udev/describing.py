"""What libvirt's XML says of each kind of device, from the attributes that /sys has of it. Pure: reading is handed in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Protocol

from tierhost.workers.runtime.node_devices import Node, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tierhost.workers.nodedev_udev.state import Facts

SECTOR_BYTES: Final = 512
PCI_ADDRESS: Final = re.compile(r"([0-9a-f]{4,8}):([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])\Z")
NO_UUID: Final = "00000000-0000-0000-0000-000000000000"
PCI_BRIDGE: Final = "0x0604"
CARDBUS_BRIDGE: Final = "0x0607"
SCSI_TYPES: Final = ("disk", "tape", "printer", "processor", "worm", "cdrom", "scanner", "optical", "changer")
"""Peripheral types, as libvirt calls them."""
CDROM, FLOPPY = "cdrom", "floppy"
DRM_KINDS: Final = {"card": "primary", "controlD": "control", "renderD": "render"}


class Reader(Protocol):
    """One device's folder."""

    facts: Facts

    def text(self, name: str) -> str:
        """Return an attribute without white space around it; empty if there is none."""

    def link(self, name: str) -> str:
        """Return the last part of where a link leads; empty if there is none."""

    def names(self, name: str) -> list[str]:
        """List a folder in it."""


def head(device: Reader) -> Iterable[Node]:
    """What stands in front of the capability: path, device node, driver."""
    facts = device.facts
    yield Node("path", facts.path)
    if name := facts.properties.get("DEVNAME"):
        yield Node("devnode", f"/dev/{name.removeprefix('/dev/')}", {"type": "dev"})
    for link in facts.properties.get("DEVLINKS", "").split():
        yield Node("devnode", link, {"type": "link"})
    if facts.driver:
        yield Node("driver", children=texts(name=facts.driver))


def system(dmi: Callable[[str], str]) -> Iterable[Node]:
    """The machine, as its firmware describes it."""
    yield from texts(product=dmi("product_name"))
    named = texts(vendor=dmi("sys_vendor"), version=dmi("product_version"), serial=dmi("product_serial"))
    yield Node("hardware", children=(*named, Node("uuid", dmi("product_uuid").lower() or NO_UUID)))
    firmware = texts(vendor=dmi("bios_vendor"), version=dmi("bios_version"), release_date=dmi("bios_date"))
    yield Node("firmware", children=firmware)


def pci(device: Reader) -> Iterable[Node]:
    """A PCI function."""
    kind = device.text("class")
    properties = device.facts.properties
    yield from texts(**{"class": kind})
    address = PCI_ADDRESS.match(device.facts.sysname)
    for tag, digits in zip(("domain", "bus", "slot", "function"), address.groups() if address else (), strict=False):
        yield Node(tag, str(int(digits, 16)))
    for tag, attribute, known in (("product", "device", "ID_MODEL"), ("vendor", "vendor", "ID_VENDOR")):
        yield Node(tag, properties.get(f"{known}_FROM_DATABASE", ""), {"id": device.text(attribute) or "0x0000"})
    if physical := device.link("physfn"):
        yield Node("capability", "", {"type": "phys_function"}, _addresses([physical]))
    if most := device.text("sriov_totalvfs"):
        functions = sorted(name for name in device.names("") if name.startswith("virtfn"))
        held = _addresses([device.link(name) for name in functions])
        yield Node("capability", "", {"type": "virt_functions", "maxCount": most}, held)
    for bridge, written in ((PCI_BRIDGE, "pci-bridge"), (CARDBUS_BRIDGE, "cardbus-bridge")):
        if kind.startswith(bridge):
            yield Node("capability", "", {"type": written})
    if group := device.link("iommu_group"):
        yield Node("iommuGroup", "", {"number": group}, _addresses(sorted(device.names("iommu_group/devices"))))
    node = device.text("numa_node")
    if node.isdecimal():
        yield Node("numa", "", {"node": node})
    yield from _express(device)


def _express(device: Reader) -> Iterable[Node]:
    links = []
    for validity, prefix in (("cap", "max"), ("sta", "current")):
        width, speed = device.text(f"{prefix}_link_width"), device.text(f"{prefix}_link_speed")
        if width.isdecimal():
            number = re.match(r"(\d+)(\.\d+)?", speed)
            told = {"speed": number[0].removesuffix(".0")} if number else {}
            links.append(Node("link", "", {"validity": validity, **told, "width": width}))
    if links:
        yield Node("pci-express", children=tuple(links))


def _addresses(names: list[str]) -> tuple[Node, ...]:
    found = []
    for name in names:
        address = PCI_ADDRESS.match(name)
        if address:
            parts = zip(("domain", "bus", "slot", "function"), address.groups(), strict=True)
            found.append(Node("address", "", {part: f"0x{digits}" for part, digits in parts}))
    return tuple(found)


def usb_device(device: Reader) -> Iterable[Node]:
    """A USB device."""
    yield from texts(bus=device.text("busnum"), device=device.text("devnum"))
    properties = device.facts.properties
    for tag, attribute, name, known in (
        ("product", "idProduct", "product", "ID_MODEL_FROM_DATABASE"),
        ("vendor", "idVendor", "manufacturer", "ID_VENDOR_FROM_DATABASE"),
    ):
        told = device.text(name) or properties.get(known, "")
        yield Node(tag, told, {"id": f"0x{device.text(attribute) or '0000'}"})


def usb(device: Reader) -> Iterable[Node]:
    """An interface of a USB device."""
    for tag, attribute in (
        ("number", "bInterfaceNumber"),
        ("class", "bInterfaceClass"),
        ("subclass", "bInterfaceSubClass"),
        ("protocol", "bInterfaceProtocol"),
    ):
        yield Node(tag, str(_hex(device.text(attribute))))
    yield from texts(description=device.text("interface"))


def net(device: Reader) -> Iterable[Node]:
    """A network device."""
    yield from texts(interface=device.facts.sysname, address=device.text("address"))
    state, speed = device.text("operstate") or "unknown", device.text("speed")
    told = {"speed": speed} if speed.isdecimal() and state == "up" else {}
    yield Node("link", "", {**told, "state": state})
    wireless = device.facts.properties.get("DEVTYPE") == "wlan" or bool(device.link("phy80211"))
    yield Node("capability", "", {"type": "80211" if wireless else "80203"})


def storage(device: Reader) -> Iterable[Node]:
    """A disk, or what the kernel calls one."""
    facts = device.facts
    properties = facts.properties
    removable = device.text("removable") == "1"
    yield from texts(
        block=f"/dev/{properties.get('DEVNAME', facts.sysname).removeprefix('/dev/')}",
        bus=properties.get("ID_BUS") or ("usb" if "/usb" in facts.path else None),
        drive_type=_drive(device, properties),
        model=properties.get("ID_MODEL") or device.text("device/model"),
        vendor=properties.get("ID_VENDOR") or device.text("device/vendor"),
        serial=properties.get("ID_SERIAL") or device.text("serial") or device.text("device/serial"),
    )
    block = _whole(device.text("queue/logical_block_size")) or SECTOR_BYTES
    size = _whole(device.text("size")) * SECTOR_BYTES
    blocks = texts(logical_block_size=str(block), num_blocks=str(size // block))
    if removable:
        media = texts(media_available=str(int(size > 0)), media_size=str(size), media_label=properties.get("ID_FS_LABEL"))
        yield Node("capability", "", {"type": "removable"}, (*media, *blocks))
    else:
        yield Node("size", str(size))
        yield from blocks


def _drive(device: Reader, properties: Mapping[str, str]) -> str:
    if properties.get("ID_CDROM") or device.facts.sysname.startswith("sr"):
        return CDROM
    if properties.get("ID_DRIVE_FLOPPY") or re.match(r"fd\d", device.facts.sysname):
        return FLOPPY
    return properties.get("ID_TYPE", "disk")


def scsi_host(device: Reader) -> Iterable[Node]:
    """A SCSI adapter."""
    name = device.facts.sysname
    yield from texts(host=name.removeprefix("host"), unique_id=device.text(f"scsi_host/{name}/unique_id"))
    folder = f"fc_host/{name}"
    if wwnn := device.text(f"{folder}/node_name"):
        names = {"wwnn": wwnn, "wwpn": device.text(f"{folder}/port_name"), "fabric_wwn": device.text(f"{folder}/fabric_name")}
        children = texts(**{tag: text.removeprefix("0x") for tag, text in names.items()})
        yield Node("capability", "", {"type": "fc_host"}, children)


def scsi_target(device: Reader) -> Iterable[Node]:
    """A SCSI target."""
    yield from texts(target=device.facts.sysname)


def scsi(device: Reader) -> Iterable[Node]:
    """A SCSI device."""
    for tag, number in zip(("host", "bus", "target", "lun"), device.facts.sysname.split(":"), strict=False):
        yield Node(tag, number)
    kind = device.text("type")
    if kind.isdecimal() and int(kind) < len(SCSI_TYPES):
        yield Node("type", SCSI_TYPES[int(kind)])


def scsi_generic(device: Reader) -> Iterable[Node]:
    """The raw door to a SCSI device."""
    yield from texts(char=f"/dev/{device.facts.properties.get('DEVNAME', device.facts.sysname).removeprefix('/dev/')}")


def drm(device: Reader) -> Iterable[Node]:
    """A graphics device."""
    kinds = (kind for prefix, kind in DRM_KINDS.items() if device.facts.sysname.startswith(prefix))
    yield from texts(type=next(kinds, "primary"))


BODIES: Final[Mapping[str, Callable[[Reader], Iterable[Node]]]] = {
    body.__name__: body for body in (pci, usb_device, usb, net, storage, scsi_host, scsi_target, scsi, scsi_generic, drm)
}
"""By capability."""


def _hex(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        return 0


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() else 0
