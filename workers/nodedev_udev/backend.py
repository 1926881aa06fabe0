"""Reads /sys and udev's database, and listens to the kernel's events. Nothing is written, no program is run."""

from __future__ import annotations

import os
import select
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tierhost.workers.nodedev_udev import state, uevents
from tierhost.workers.nodedev_udev.state import SYS, Facts
from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.runtime.ending import End

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierhost.workers.nodedev_udev.uevents import Uevent
    from tierhost.workers.runtime.node_devices import Device

BUSES: Final = ("pci", "usb", "scsi")
CLASSES: Final = ("net", "block", "scsi_generic", "drm")
ATTRIBUTE_BYTES_MAX: Final = 4096
DATABASE_BYTES_MAX: Final = 1 << 18
UDEV_CONTROL: Final = "/run/udev/control"
UDEV_DATA: Final = "/run/udev/data"
DMI: Final = "/sys/class/dmi/id"
DEVICES_MAX: Final = 16_384

UEVENTS: Final = 15
"""NETLINK_KOBJECT_UEVENT"""
BUFFER_BYTES: Final = 16 << 20
"""What the kernel may keep for us while we are slow: a thousand disks at once."""
DATAGRAM_BYTES: Final = 1 << 16
DATAGRAMS_MAX: Final = 1 << 16
"""How many are taken in one go."""


class Folder:
    """One device's folder in /sys, read as it is now."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    def text(self, name: str) -> str:
        """Return an attribute without white space around it; empty if there is none, or it cannot be read just now."""
        return read_text(f"{self.facts.path}/{name}", ATTRIBUTE_BYTES_MAX).strip()

    def link(self, name: str) -> str:
        """Return the last part of where a link leads; empty if there is none."""
        return _link(f"{self.facts.path}/{name}")

    def names(self, name: str) -> list[str]:
        """List a folder in it."""
        try:
            return os.listdir(f"{self.facts.path}/{name}")
        except OSError:
            return []


def facts_of(path: str) -> Facts | None:
    """Look at one device; None if it is not there (any more)."""
    try:
        with Path(path, "uevent").open("rb") as file:
            properties = state.read_properties(file.read(ATTRIBUTE_BYTES_MAX).decode(errors="replace"))
    except OSError:
        return None
    facts = Facts(path, _link(f"{path}/subsystem"), properties, {}, _link(f"{path}/driver"))
    name = state.database_name(facts)
    known = state.read_database(read_text(f"{UDEV_DATA}/{name}", DATABASE_BYTES_MAX)) if name else {}
    kind = state.kind_of(facts.subsystem, properties.get("DEVTYPE", ""))
    folder = Folder(facts)
    attributes = {attribute: folder.text(attribute) for attribute in state.ATTRIBUTES.get(kind, ())}
    if kind == "scsi_host" and folder.names("fc_host"):
        attributes["fc_host"] = "yes"
    return Facts(path, facts.subsystem, {**known, **properties}, attributes, facts.driver)


def devices() -> Iterator[Device]:
    """Yield every device there is, the machine itself first. Raises DriverError where there are absurdly many."""
    yield state.computer()
    for number, path in enumerate(_paths()):
        if number >= DEVICES_MAX:
            raise DriverError(f"there are more than {DEVICES_MAX} devices", code=Code.OVERFLOW, subject=SYS)
        facts = facts_of(path)
        device = state.device_of(facts) if facts else None
        if device:
            yield device


def _paths() -> Iterator[str]:
    for folder in (*(f"{SYS}/bus/{bus}/devices" for bus in BUSES), *(f"{SYS}/class/{name}" for name in CLASSES)):
        with suppress(OSError):
            for name in sorted(os.listdir(folder)):
                yield os.path.realpath(f"{folder}/{name}")


def dmi(name: str) -> str:
    """What the firmware says of the machine."""
    return read_text(f"{DMI}/{name}", ATTRIBUTE_BYTES_MAX).strip()


def udev_runs() -> bool:
    """Whether a udevd has been started here: its events come after the kernel's, and say more."""
    return os.path.exists(UDEV_CONTROL)


def read_text(path: str, limit: int) -> str:
    """Return the beginning of a file; empty if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(limit).decode(errors="replace")
    except OSError:
        return ""


def _link(path: str) -> str:
    try:
        return os.readlink(path).rpartition("/")[2]
    except OSError:
        return ""


class Overflow(Exception):
    """Raised when the kernel had more to say than it could keep for us."""


class Ear:
    """A socket that hears what the kernel and udevd say of devices, and an end that any thread may put to it."""

    def __init__(self) -> None:
        """Listen. Raises OSError where nobody may."""
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, UEVENTS)
        try:
            self._socket.bind((0, uevents.KERNEL_GROUP | uevents.UDEV_GROUP))
            self._grow()
        except OSError:
            self._socket.close()
            raise
        self.end = End()
        self._poll = select.poll()
        for fd in (self._socket.fileno(), self.end.fd):
            self._poll.register(fd, select.POLLIN)

    def _grow(self) -> None:
        for option in (33, socket.SO_RCVBUF):  # SO_RCVBUFFORCE is root's
            with suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
                return

    def hear(self, limit_s: float | None) -> list[tuple[int, Uevent]] | None:
        """Wait for something to be said, at most so long; None: it is the end. Raises Overflow."""
        ready = {fd for fd, _ in self._poll.poll(None if limit_s is None else max(0, round(limit_s * 1000)))}
        if self.end.fd in ready:
            return None
        heard: list[tuple[int, Uevent]] = []
        lost = False
        for _ in range(DATAGRAMS_MAX if ready else 0):
            try:
                data, (sender, group) = self._socket.recvfrom(DATAGRAM_BYTES)
            except BlockingIOError:
                break
            except OSError:
                # It says so once, and drops everything until we have taken all it has kept: only then is it worth looking again.
                lost = True
                continue
            # The kernel's own messages come from nobody; only a privileged process may speak to udev's group.
            event = uevents.parse(data, group) if group == uevents.UDEV_GROUP or sender == 0 else None
            if event is not None:
                heard.append((group, event))
        if lost:
            raise Overflow
        return heard

    def close(self) -> None:
        """Hear nothing any more. For the thread that listens."""
        self._socket.close()
