"""Disks that come and go while the guest runs."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lxml import etree

from tierhost.workers.qemu.command_line import block_node, device
from tierhost.workers.qemu.device_xml import disk_from
from tierhost.workers.qemu.domain_xml import from_xml
from tierhost.workers.qemu.guests import Guest
from tierhost.workers.qemu.launching import Fetched
from tierhost.workers.qemu.monitor import MonitorRefused
from tierhost.workers.qemu.saving import Saving
from tierhost.workers.runtime.contract import Code, DriverError, change
from tierhost.workers.runtime.definitions import parse

if TYPE_CHECKING:
    from tierhost.workers.qemu.domain import Disk, Domain

AFFECT_LIVE = 1
AFFECT_CONFIG = 2


class Devices(Saving):
    """Hot-plug and unplug of disks (flags as libvirt's: 1 live, 2 config, 0 whatever applies)."""

    @change()
    def domain_attach_device_flags(self, domain: str, xml: str, flags: int = 0) -> None:
        """Add a disk to the running guest, to its definition, or to both."""
        disk = disk_from(parse(xml, "disk"))
        found = self._find(domain)
        live, config = self._scope(found, flags)
        if live:
            guest = self._running(domain)
            if guest.domain.disk(disk.target) is not None:
                reason = f"target {disk.target} already exists"
                raise DriverError(reason, code=Code.OPERATION_INVALID, subject=f"guest {found.name}")
            self._plug(guest, disk, xml)
        if config:
            self._redefine(self._domains[found.uuid], add=xml)

    @change()
    def domain_detach_device_flags(self, domain: str, xml: str, flags: int = 0) -> None:
        """Remove a disk. From a running guest it goes when the guest lets go of it (event device-removed)."""
        disk = disk_from(parse(xml, "disk"))
        found = self._find(domain)
        live, config = self._scope(found, flags)
        if live:
            guest = self._running(domain)
            if guest.domain.disk(disk.target) is None:
                raise _no_disk(found, disk.target)
            self._unplug(guest, disk)
        if config:
            self._redefine(self._domains[found.uuid], remove=disk.target)

    def _scope(self, domain: Domain, flags: int) -> tuple[bool, bool]:
        running, defined = domain.uuid in self._guests, domain.uuid in self._domains
        live = bool(flags & AFFECT_LIVE) or (flags == 0 and running)
        config = bool(flags & AFFECT_CONFIG) or (flags == 0 and not running)
        if (live and not running) or (config and not defined):
            reason = "domain is not running" if live and not running else "a transient guest has no definition to change"
            raise DriverError(reason, code=Code.OPERATION_INVALID, subject=f"guest {domain.name}")
        return live, config

    def _plug(self, guest: Guest, disk: Disk, xml: str) -> None:
        uuid = guest.domain.uuid
        fetched = Fetched()
        self._fetch_disk(guest.domain, disk, fetched)
        with self.context.jobs.changing(f"guest {uuid}"):
            if disk.target in fetched.keys:
                # Over the monitor's socket, which is ours alone; the guest's master key died with whoever started it.
                key = base64.b64encode(fetched.keys[disk.target]).decode()
                secret = {"qom-type": "secret", "id": f"{disk.alias}-key", "format": "base64", "data": key}
                self._monitors.execute(uuid, "object-add", secret)
            try:
                node = block_node(disk, fetched.paths[disk.target], fetched.formats[disk.target])
                self._monitors.execute(uuid, "blockdev-add", node)
                domain = replace(guest.domain, disks=(*guest.domain.disks, disk))
                self._monitors.execute(uuid, "device_add", device(domain, disk))
            except DriverError:
                self._forget_node(guest, disk)
                raise
            guest.volumes += fetched.volumes
            guest.domain = changed(guest.domain, add=xml)
            self._record(guest)

    def _unplug(self, guest: Guest, disk: Disk) -> None:
        uuid = guest.domain.uuid
        with self.context.jobs.changing(f"guest {uuid}"):
            self._monitors.execute(uuid, "device_del", {"id": f"dev-{disk.target}"})
            guest.domain = changed(guest.domain, remove=disk.target)
            guest.volumes = [[one.pool, one.volume] for one in guest.domain.disks if one.kind == "volume"]
            self._record(guest)

    def _on_event(self, uuid: str, kind: str, data: Any) -> None:
        super()._on_event(uuid, kind, data)
        guest = self._guests.get(uuid)
        name = str(data.get("device", ""))
        if kind == "DEVICE_DELETED" and guest is not None and name.startswith("dev-"):
            disk = replace(_PLACEHOLDER, target=name.removeprefix("dev-"))
            self.context.later(0.0, lambda: self._forget_node(guest, disk))
            self.context.later(0.0, self._hold_volumes)

    def _forget_node(self, guest: Guest, disk: Disk) -> None:
        for command, arguments in (("blockdev-del", {"node-name": disk.alias}), ("object-del", {"id": f"{disk.alias}-key"})):
            try:
                self._monitors.execute(guest.domain.uuid, command, arguments)
            except MonitorRefused:
                # It was never made, or is still in use: the guest has not let go.
                continue

    def _redefine(self, domain: Domain, *, add: str = "", remove: str = "") -> None:
        raise NotImplementedError


def changed(domain: Domain, *, add: str = "", remove: str = "") -> Domain:
    """The definition with one disk more or less."""
    root = etree.fromstring(domain.xml)
    devices = root.find("devices")
    if devices is None:
        devices = etree.SubElement(root, "devices")
    if add:
        devices.append(etree.fromstring(add))
    for disk in devices.findall("disk"):
        target = disk.find("target")
        if remove and target is not None and target.get("dev") == remove:
            devices.remove(disk)
            break
    else:
        if remove:
            raise _no_disk(domain, remove)
    return from_xml(str(etree.tostring(root, encoding="unicode")))[0]


def _no_disk(domain: Domain, target: str) -> DriverError:
    return DriverError(f"no disk with target {target}", code=Code.DEVICE_MISSING, subject=f"guest {domain.name}")


_PLACEHOLDER = disk_from(parse("<disk type='file'><source file='/'/><target dev='vda'/></disk>", "disk"))

