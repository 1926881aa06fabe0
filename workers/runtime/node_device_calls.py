"""Libvirt's node device calls, the same for every driver that finds devices; a driver adds where it finds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tierhost.ipc.errors import Code, DriverError
from tierhost.workers.runtime.contract import StateDriver, read
from tierhost.workers.runtime.node_devices import CAPABILITIES, COMPUTER, Device, Shelf

if TYPE_CHECKING:
    from collections.abc import Iterable

LIST_FLAGS: Final = (1 << len(CAPABILITIES)) - 1
TREE_DEPTH_MAX: Final = 32


class NodeDeviceCalls(StateDriver):
    """Shows devices. Nothing here is acknowledged state: it is what the machine has just now.

    So no question can be asked without an argument: whoever compares the answers of two lives asks those that can.
    """

    shelf: Shelf
    owner: bool = True
    """Whether this driver's word is the one on this machine's devices: its events tell of them."""

    def describe(self, device: Device) -> str:
        """Return a device's XML, as it is now. Raises DriverError if it has gone."""
        raise NotImplementedError

    @read()
    def node_device_list(self, flags: int) -> list[dict[str, Any]]:
        """List the devices with name, parent and capabilities. Flags are libvirt's: 2 pci, 16 net, 256 storage, ...; 0: all."""
        shelf = self._current()
        return [_row(shelf, device) for device in shelf.select(flags=_checked(flags, LIST_FLAGS))]

    @read()
    def node_list_devices(self, capability: str, flags: int = 0) -> list[str]:
        """List the names of the devices that are "pci", "net", "storage", ...; all of them for an empty text."""
        _checked(flags)
        return [device.name for device in self._current().select(_capability(capability))]

    @read()
    def node_num_of_devices(self, capability: str, flags: int = 0) -> int:
        """Count the devices of a capability; all of them for an empty text."""
        _checked(flags)
        return len(self._current().select(_capability(capability)))

    @read()
    def node_device_lookup_by_name(self, name: str) -> dict[str, Any]:
        """Show one device."""
        shelf = self._current()
        return _row(shelf, shelf.find(name))

    @read()
    def node_device_get_xml_desc(self, name: str, flags: int = 0) -> str:
        """Describe one device in libvirt's XML, as it is now."""
        _checked(flags)
        return self.describe(self._current().find(name))

    @read()
    def node_device_get_parent(self, name: str) -> str | None:
        """Name what a device sits on; None for the machine itself."""
        shelf = self._current()
        return shelf.parent_of(shelf.find(name)) or None

    @read()
    def node_device_num_of_caps(self, name: str) -> int:
        """Count what a device can be."""
        return len(self._current().find(name).capabilities)

    @read()
    def node_device_list_caps(self, name: str) -> list[str]:
        """List what a device can be."""
        return list(self._current().find(name).capabilities)

    @read()
    def node_device_tree(self, name: str) -> dict[str, Any]:
        """Show what sits on a device, and on that, and so on; begin with "computer"."""
        shelf = self._current()
        below: dict[str, list[str]] = {}
        for device in shelf.by_name.values():
            below.setdefault(shelf.parent_of(device), []).append(device.name)
        return _tree(below, shelf.find(name).name, TREE_DEPTH_MAX)

    def _current(self) -> Shelf:
        """Return the devices; a driver that may have lost touch with them says so here."""
        return self.shelf

    def put_on_shelf(self, shelf: Shelf) -> None:
        """Show other devices from now on, and tell what has come and gone."""
        added, removed = self.shelf.changes_to(shelf)
        self.shelf = shelf
        self.tell("node-device-removed", removed)
        self.tell("node-device-added", added)

    def tell(self, kind: str, names: Iterable[str]) -> None:
        """Tell of devices, if it is this driver's to tell."""
        for name in names if self.owner else ():
            self.context.emit(
                kind, name, {"parent": self.shelf.parent_of(self.shelf.by_name[name])} if name in self.shelf.by_name else {}
            )


def _tree(below: dict[str, list[str]], name: str, depth: int) -> dict[str, Any]:
    return {child: _tree(below, child, depth - 1) for child in sorted(below.get(name, ())) if depth and child != name}


def _row(shelf: Shelf, device: Device) -> dict[str, Any]:
    return {"name": device.name, "parent": shelf.parent_of(device), "capabilities": list(device.capabilities)}


def _capability(name: object) -> str:
    if not isinstance(name, str) or name not in {"", *CAPABILITIES}:
        reason = f"there is no capability {name!r:.40}, expected one of {', '.join(CAPABILITIES)}, or an empty text for all"
        raise DriverError(reason, code=Code.INVALID_ARG, subject="node device")
    return name


def _checked(flags: object, known: int = 0) -> int:
    if type(flags) is not int or flags & ~known:
        reason = f"unsupported flags ({flags!r:.20}) in a call about node devices"
        raise DriverError(reason, code=Code.INVALID_ARG, subject="node device")
    return flags


__all__ = ["COMPUTER", "NodeDeviceCalls"]
