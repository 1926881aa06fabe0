"""Disks that come and go while the guest runs."""

from __future__ import annotations

import base64
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.qemu.blocks import SCSI_SLOT, block_nodes, device, pci
from tierhost.workers.qemu.disk_xml import disk_from_text
from tierhost.workers.qemu.editing import with_disk, without_disk
from tierhost.workers.qemu.expecting import MonitorSilent
from tierhost.workers.qemu.monitor import MonitorRefused
from tierhost.workers.qemu.roster import DOMAINS, GUESTS
from tierhost.workers.runtime.contract import Code, DriverError, TierhostError

if TYPE_CHECKING:
    from tierhost.workers.qemu.backend import Supplies
    from tierhost.workers.qemu.domain import Disk, Domain
    from tierhost.workers.qemu.monitor import Monitors
    from tierhost.workers.qemu.roster import Guest, Roster
    from tierhost.workers.qemu.supply import Supply

UNPLUG_LIMIT_S: Final = 3.0
"""How long a guest has to let go of a disk before the call returns; it may still do so later."""


class Plugging:
    """Hot-plug and unplug. A disk is in the live definition exactly as long as QEMU has it."""

    def __init__(self, roster: Roster, monitors: Monitors, supply: Supply) -> None:
        self._roster = roster
        self._monitors = monitors
        self._supply = supply

    # In.

    def plug(self, guest: Guest, xml: str, *, define: bool) -> None:
        """Give a running guest a disk; `define`: and its definition, too. Raises DriverError, and then nothing has changed."""
        disk, _ = disk_from_text(xml)
        with self._supply.fetched(guest.domain, (disk,)) as supplies, self._roster.changing(guest.uuid):
            self._check_free(guest, disk)
            intent = f"plug {guest.uuid}"
            self._roster.context.run.intend(intent, {"uuid": guest.uuid, "xml": xml, "target": disk.target, "define": define})
            try:
                self._add(guest, disk, supplies)
            except TierhostError:
                self._forget(guest, disk)
                with self._roster.context.run.transaction() as t:
                    t.abandon(intent)
                raise
            self._plugged(guest, xml, intent, define=define)

    def _check_free(self, guest: Guest, disk: Disk) -> None:
        for other in guest.domain.disks:
            if other.target == disk.target or (other.bus, other.index) == (disk.bus, disk.index):
                raise DriverError(f"target {disk.target} already exists", code=Code.OPERATION_INVALID, subject=guest.subject)
        if disk.bus in {"ide", "sata"}:
            raise DriverError(
                f"disks on a {disk.bus} bus cannot be plugged", code=Code.OPERATION_UNSUPPORTED, subject=guest.subject
            )

    def _add(self, guest: Guest, disk: Disk, supplies: Supplies) -> None:
        uuid = guest.uuid
        for name, keys in ((disk.key_id, supplies.keys), (disk.login_id, supplies.logins)):
            if disk.target in keys:
                # Over the monitor's socket, which is ours alone; the guest's master key is known to nobody any more.
                key = {"qom-type": "secret", "id": name, "format": "base64"}
                self._monitors.execute(uuid, "object-add", {**key, "data": base64.b64encode(keys[disk.target]).decode()})
        if disk.target in supplies.places:
            self._monitors.execute(uuid, "blockdev-add", block_nodes(disk, supplies.places[disk.target]))
        if disk.bus == "scsi" and not any(other.bus == "scsi" for other in guest.domain.disks):
            self._add_controller(guest)
        self._monitors.execute(uuid, "device_add", device(guest.domain, disk))

    def _add_controller(self, guest: Guest) -> None:
        controller = {"driver": "virtio-scsi-pci", "id": "scsi0", **pci(guest.domain, SCSI_SLOT)}
        try:
            self._monitors.execute(guest.uuid, "device_add", controller)
        except MonitorRefused as error:
            if "uplicate" not in error.text:
                raise

    def _plugged(self, guest: Guest, xml: str, intent: str, *, define: bool) -> None:
        target = disk_from_text(xml)[0].target
        definition = self._roster.domains.get(guest.uuid)
        # A life before this one may have got so far.
        if define and definition is not None and definition.disk(target) is None:
            self.redefine(definition, add=xml)
        guest.domain = self._edited(guest.domain, add=xml)
        with self._roster.context.run.transaction() as t:
            t.put(GUESTS, guest.uuid, self._roster.guest_row(guest))
            t.settle(intent)
            t.reply(None)
        self._roster.context.emit("device-added", guest.domain.name, {"uuid": guest.uuid, "device": target})

    def settle(self, guest: Guest, facts: dict[str, Any]) -> None:
        """Settle a disk that was being plugged when we died: it is in, if QEMU has it. Hold the guest's lock."""
        disk, _ = disk_from_text(facts["xml"])
        intent = f"plug {guest.uuid}"
        if disk.target in self._targets(guest) and guest.domain.disk(disk.target) is None:
            self._plugged(guest, facts["xml"], intent, define=bool(facts["define"]))
            return
        self._forget(guest, disk)
        with self._roster.context.run.transaction() as t:
            t.abandon(intent)

    # Out.

    def unplug(self, guest: Guest, target: str) -> None:
        """Ask a running guest to let go of a disk; return when it has, or when it takes its time (event device-removed)."""
        uuid = guest.uuid
        with self._roster.changing(uuid):
            disk = guest.domain.disk(target)
            if disk is None:
                raise no_disk(guest.domain, target)
            # If we die once the guest has let go, whoever asks again is to hear that it has, and not of a disk unknown.
            self._roster.context.run.intend(_unplugging(guest, target), {"uuid": uuid})
            try:
                let_go = self._ask_to_let_go(guest, disk)
            except TierhostError:
                self._give_up_unplugging(guest)
                raise
            if let_go:
                self.unplugged(guest, disk)
            else:
                # The guest's system has the last word, and may say it later.
                with self._roster.context.run.transaction() as t:
                    t.settle(_unplugging(guest, target))
                    t.reply(None)

    def _ask_to_let_go(self, guest: Guest, disk: Disk) -> bool:
        with self._monitors.expecting(guest.uuid, "DEVICE_DELETED") as event:
            self._monitors.execute(guest.uuid, "device_del", {"id": disk.device_id})
            deadline_s = time.monotonic() + UNPLUG_LIMIT_S
            try:
                while event(deadline_s).get("device") != disk.device_id:
                    pass
            except MonitorSilent:
                return False
        return True

    def _give_up_unplugging(self, guest: Guest) -> None:
        intents = [key for key in self._roster.context.run.intents() if key.startswith(_unplugging(guest))]
        if intents:
            with self._roster.context.run.transaction() as t:
                for intent in intents:
                    t.abandon(intent)

    def heard(self, uuid: str, kind: str, data: Any) -> None:
        """A guest has let go of a device (called in the monitors' thread)."""
        guest = self._roster.guests.get(uuid)
        if kind != "DEVICE_DELETED" or guest is None:
            return
        disk = next((disk for disk in guest.domain.disks if disk.device_id == data.get("device")), None)
        if disk is not None:
            self._roster.context.later(0.0, lambda: self.unplugged(guest, disk))

    def unplugged(self, guest: Guest, disk: Disk) -> None:
        """A guest has let go of a disk: QEMU closes it, the record and storage hear of it."""
        with self._roster.changing(guest.uuid):
            if self._roster.guests.get(guest.uuid) is not guest or guest.domain.disk(disk.target) != disk:
                return
            self._forget(guest, disk)
            guest.domain = self._edited(guest.domain, remove=disk.target)
            with self._roster.context.run.transaction() as t:
                t.put(GUESTS, guest.uuid, self._roster.guest_row(guest))
                t.settle(_unplugging(guest, disk.target))
                t.reply(None)
        self._roster.context.emit("device-removed", guest.domain.name, {"uuid": guest.uuid, "device": disk.target})
        if disk.kind == "volume":
            self._supply.tell_storage()

    def notice_removed(self, guest: Guest) -> None:
        """See which disks a guest has let go of while nobody watched."""
        there = self._targets(guest)
        for disk in guest.domain.disks:
            if disk.target not in there:
                self.unplugged(guest, disk)

    def settle_unplugging(self, guest: Guest) -> None:
        """See what became of disks that were to go when we died: what is still there was not asked for, as far as we know."""
        self.notice_removed(guest)
        self._give_up_unplugging(guest)

    def _targets(self, guest: Guest) -> set[str]:
        """The disks QEMU has."""
        devices = self._monitors.execute(guest.uuid, "qom-list", {"path": "/machine/peripheral"})
        return {str(entry["name"]).removeprefix("dev-") for entry in devices if str(entry["name"]).startswith("dev-")}

    def _forget(self, guest: Guest, disk: Disk) -> None:
        keys = [("object-del", {"id": name}) for name in (disk.key_id, disk.login_id)]
        for command, what in (("blockdev-del", {"node-name": disk.node}), *keys):
            try:
                self._monitors.execute(guest.uuid, command, what)
            except MonitorRefused:
                # It was never made, or is still in use: the guest has not let go.
                continue

    # Definitions.

    def redefine(self, domain: Domain, *, add: str = "", remove: str = "", answer: bool = False) -> None:
        """Change the disks of a definition; hold the guest's lock. `answer`: that is all the call in progress is about."""
        changed = self._edited(domain, add=add, remove=remove)
        row = self._roster.context.persistent.get(DOMAINS, domain.uuid)
        if row is None:
            raise DriverError(
                "a transient guest has no definition to change", code=Code.OPERATION_INVALID, subject=domain.subject
            )
        with self._roster.context.persistent.transaction() as t:
            t.put(DOMAINS, domain.uuid, {**row, "xml": changed.xml})
            if answer:
                t.reply(None)
        self._roster.define(changed)

    def _edited(self, domain: Domain, *, add: str = "", remove: str = "") -> Domain:
        if remove and domain.disk(remove) is None:
            raise no_disk(domain, remove)
        xml = with_disk(domain.xml, add) if add else without_disk(domain.xml, remove)
        return replace(self._roster.completed(xml, b""), graphics=domain.graphics)


def _unplugging(guest: Guest, target: str = "") -> str:
    return f"unplug {guest.uuid} {target}"


def no_disk(domain: Domain, target: str) -> DriverError:
    """There is no such disk."""
    return DriverError(f"no disk with target {target!s:.20}", code=Code.DEVICE_MISSING, subject=domain.subject)
