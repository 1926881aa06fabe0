"""Facts about a device of /sys, and what they make of it: a kind, a name, a place in the tree. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tierhost.workers.runtime.node_devices import COMPUTER, Device, name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SYS: Final = "/sys"
DEVICES: Final = "/sys/devices/"
VIRTUAL: Final = "/sys/devices/virtual/"


@dataclass(frozen=True, slots=True)
class Facts:
    """What /sys (and udev's database, where there is one) say of one device. `attributes` are those of its kind."""

    path: str
    subsystem: str
    properties: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    driver: str = ""

    @property
    def sysname(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]


BY_DEVTYPE: Final = {
    ("usb", "usb_device"): "usb_device",
    ("usb", "usb_interface"): "usb",
    ("scsi", "scsi_host"): "scsi_host",
    ("scsi", "scsi_target"): "scsi_target",
    ("scsi", "scsi_device"): "scsi",
    ("block", "disk"): "storage",
    ("drm", "drm_minor"): "drm",
}
BY_SUBSYSTEM: Final = {"pci": "pci", "net": "net", "scsi_generic": "scsi_generic"}
SUBSYSTEMS: Final = frozenset({*(subsystem for subsystem, _ in BY_DEVTYPE), *BY_SUBSYSTEM})
"""What is looked at; the rest of /sys is no device in libvirt's sense."""

ATTRIBUTES: Final[Mapping[str, tuple[str, ...]]] = {
    "net": ("address",),
}
"""What has to be read of a kind to name it, and nothing more: there may be thousands."""


def kind_of(subsystem: str, devtype: str) -> str:
    """Say what a device is, as libvirt calls it; empty if it is nothing to libvirt."""
    return BY_DEVTYPE.get((subsystem, devtype)) or BY_SUBSYSTEM.get(subsystem, "")


def device_of(facts: Facts) -> Device | None:
    """Make a device of facts; None for what libvirt does not count as one."""
    kind = kind_of(facts.subsystem, facts.properties.get("DEVTYPE", ""))
    if not kind:
        return None
    names: Mapping[str, Callable[[], str]] = {
        "net": lambda: name_of("net", facts.sysname, facts.attributes.get("address", "")),
        "storage": lambda: name_of("block", facts.sysname, facts.properties.get("ID_SERIAL", "")),
        "scsi_generic": lambda: name_of("scsi", "generic", facts.sysname),
        "usb_device": lambda: name_of("usb", facts.sysname),
        "usb": lambda: name_of("usb", facts.sysname),
    }
    name = names[kind]() if kind in names else name_of(facts.subsystem, facts.sysname)
    also = ("fc_host",) if facts.attributes.get("fc_host") else ()
    return Device(name, facts.path, kind, above(facts.path), also)


def computer() -> Device:
    """The machine itself."""
    return Device(COMPUTER, "", "system")


def above(path: str) -> tuple[str, ...]:
    """List the paths above a device, nearest first, down to the machine's own folder."""
    found = []
    while path.startswith(DEVICES) and path.count("/") > DEVICES.count("/"):
        path = path.rpartition("/")[0]
        found.append(path)
    return tuple(found)


def is_physical(device: Device) -> bool:
    """Whether it is something that can be touched: loops, bridges and taps come and go with every pool and guest."""
    return bool(device.place) and not device.place.startswith(VIRTUAL)


def read_properties(text: str) -> dict[str, str]:
    """Read KEY=VALUE lines."""
    return {key: value for key, mark, value in (line.partition("=") for line in text.splitlines()) if mark and key}


def read_database(text: str) -> dict[str, str]:
    """Read what udev keeps of a device: its properties are the lines E:KEY=VALUE."""
    return read_properties("\n".join(line[2:] for line in text.splitlines() if line.startswith("E:")))


def database_name(facts: Facts) -> str:
    """Name the file in which udev keeps a device; empty for one that it cannot have."""
    properties = facts.properties
    if "IFINDEX" in properties:
        return f"n{properties['IFINDEX']}"
    if "MAJOR" in properties and "MINOR" in properties:
        return f"{'b' if facts.subsystem == 'block' else 'c'}{properties['MAJOR']}:{properties['MINOR']}"
    return f"+{facts.subsystem}:{facts.sysname}" if facts.subsystem else ""
