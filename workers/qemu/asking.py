"""Questions about guests: a guest whose process is gone is never shown as running, and QEMU's word counts before any record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.qemu.base import QemuBase
from tierhost.workers.qemu.editing import as_shown
from tierhost.workers.qemu.expecting import MonitorSilent
from tierhost.workers.qemu.plugging import no_disk
from tierhost.workers.runtime.arguments import check_flags
from tierhost.workers.runtime.contract import Code, DriverError, read

if TYPE_CHECKING:
    from tierhost.workers.qemu.domain import Domain
    from tierhost.workers.qemu.roster import Guest

XML_SECURE: Final = 1
XML_INACTIVE: Final = 2
LIST_ACTIVE: Final = 1
LIST_INACTIVE: Final = 2


class Questions(QemuBase):
    """Never queued behind a change."""

    @read(inline=True)
    def domain_list(self, flags: int = 0) -> list[dict[str, Any]]:
        """List every guest with its last known state (flag 1: those that run; 2: those that do not)."""
        check_flags(flags, LIST_ACTIVE | LIST_INACTIVE)
        rows = [self._row(domain, guest) for domain, guest in self.roster.everybody()]
        if flags in {LIST_ACTIVE, LIST_INACTIVE}:
            rows = [row for row in rows if (row["id"] >= 0) == (flags == LIST_ACTIVE)]
        return rows

    def _row(self, domain: Domain, guest: Guest | None) -> dict[str, Any]:
        condition = self.roster.condition(domain.uuid)
        lives = guest is not None and not guest.process.is_gone()
        return {
            "id": guest.number if guest is not None and lives else -1,
            "name": domain.name,
            "uuid": domain.uuid,
            "state": condition.state,
            "reason": condition.reason,
            "pid": guest.process.pid if guest is not None and lives else 0,
            "autostart": domain.uuid in self.roster.autostart,
            "persistent": domain.uuid in self.roster.domains,
        }

    @read(inline=True)
    def domain_lookup_by_name(self, name: str) -> dict[str, Any]:
        """Find a guest by its name."""
        return self._shown(self.roster.find(name))

    @read(inline=True)
    def domain_lookup_by_uuid(self, uuid: str) -> dict[str, Any]:
        """Find a guest by its uuid."""
        return self._shown(self.roster.find(uuid))

    @read(inline=True)
    def domain_lookup_by_id(self, number: int) -> dict[str, Any]:
        """Find a running guest by its number."""
        for guest in self.roster.all_running():
            if guest.number == number and not guest.process.is_gone():
                return self._shown(guest.domain)
        raise DriverError(f"no domain with matching id {number!r:.20}", code=Code.NO_DOMAIN)

    def _shown(self, domain: Domain) -> dict[str, Any]:
        return self._row(domain, self.roster.guests.get(domain.uuid))

    # How it is, from QEMU's own mouth.

    @read()
    def domain_get_state(self, domain: str) -> dict[str, str]:
        """Say how a guest is and why, by asking its QEMU."""
        found = self.roster.find(domain)
        guest = self.roster.guests.get(found.uuid)
        condition = self.roster.condition(found.uuid) if guest is None else self.contact.condition(guest)
        return {"state": condition.state, "reason": condition.reason}

    @read()
    def domain_get_info(self, domain: str) -> dict[str, Any]:
        """State, memory, virtual CPUs, process, and whether saved memory waits for it."""
        found = self.roster.find(domain)
        row = self._shown(found)
        row.update(self.domain_get_state(domain))
        saved = self.saving.has_image(found.uuid)
        return {**row, "max_memory_kib": found.memory_kib, "memory_kib": found.current_kib, "vcpus": found.vcpus, "saved": saved}

    @read()
    def domain_get_xml_desc(self, domain: str, flags: int = 0) -> str:
        """Return the definition: the live one if it runs (flag 1: with its password; flag 2: the inactive one)."""
        check_flags(flags, XML_SECURE | XML_INACTIVE)
        found = self.roster.find(domain)
        guest = None if flags & XML_INACTIVE else self.roster.guests.get(found.uuid)
        if flags & XML_INACTIVE:
            found = self.roster.domains.get(found.uuid, found)
        number = guest.number if guest is not None and not guest.process.is_gone() else None
        taps = self.cables.devices(found.uuid) if number is not None else {}
        return as_shown(found, number=number, secure=bool(flags & XML_SECURE), vnc_port=self._vnc_port(guest), taps=taps)

    def _vnc_port(self, guest: Guest | None) -> int | None:
        """The port QEMU chose for VNC; None if it has none, or does not answer."""
        graphics = guest.domain.graphics if guest is not None else None
        if guest is None or graphics is None or graphics.kind == "socket" or guest.silent:
            return None
        try:
            return int(self.execute(guest.uuid, "query-vnc").get("service", 0)) or None
        except MonitorSilent:
            return None

    @read()
    def domain_get_block_info(self, domain: str, disk: str) -> dict[str, Any]:
        """Capacity, allocation and I/O state of one disk of a running guest, in bytes."""
        guest = self.roster.running(domain)
        found = guest.domain.disk(disk)
        if found is None:
            raise no_disk(guest.domain, disk)
        for block in self.execute(guest.uuid, "query-block"):
            inserted = block.get("inserted") or {}
            if inserted.get("node-name") == found.node:
                image = inserted["image"]
                return {
                    "capacity": image["virtual-size"],
                    "allocation": image.get("actual-size", 0),
                    "format": inserted["drv"],
                    "io_status": block.get("io-status", "ok"),
                    "readonly": inserted["ro"],
                }
        raise DriverError("the drive is empty", code=Code.OPERATION_INVALID, subject=f"{guest.subject} disk {found.target}")

    @read(inline=True)
    def domain_get_autostart(self, domain: str) -> bool:
        """Whether the guest starts at every boot."""
        return self.roster.find(domain).uuid in self.roster.autostart

    @read()
    def domain_has_managed_save_image(self, domain: str) -> bool:
        """Whether saved memory waits for the guest's next start."""
        return self.saving.has_image(self.roster.find(domain).uuid)
