"""Defining guests and asking about them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lxml import etree

from tierhost.workers.qemu.devices import Devices, changed
from tierhost.workers.qemu.domain_xml import from_xml
from tierhost.workers.qemu.guests import DOMAINS
from tierhost.workers.runtime.contract import Code, DriverError, change, read

if TYPE_CHECKING:
    from tierhost.workers.qemu.domain import Domain

XML_SECURE = 1
XML_INACTIVE = 2
UNDEFINE_MANAGED_SAVE = 1


class Definitions(Devices):
    """What is on record: definitions, autostart flags, XML."""

    @change()
    def domain_define_xml(self, xml: str, flags: int = 0) -> dict[str, Any]:
        """Define a guest, or redefine it (a running one keeps running as it is). Returns name, uuid, and what was not read."""
        domain, unread = from_xml(xml)
        with self.context.jobs.changing(f"guest {domain.uuid}"):
            self._check_name(domain)
            answer = {"name": domain.name, "uuid": domain.uuid, "unread": list[Any](unread)}
            with self.context.persistent.transaction() as t:
                t.put(DOMAINS, domain.uuid, {"name": domain.name, "xml": domain.xml, "autostart": domain.uuid in self._autostart})
                t.reply(answer)
            with self._lock:
                self._domains[domain.uuid] = domain
                guest = self._guests.get(domain.uuid)
            if guest is not None and guest.transient:
                guest.transient = False
                self._record(guest)
        self._lifecycle(domain, "defined", "added")
        return answer

    def _check_name(self, domain: Domain) -> None:
        with self._lock:
            others = [*self._domains.values(), *(guest.domain for guest in self._guests.values())]
        for other in others:
            if other.name == domain.name and other.uuid != domain.uuid:
                reason = f"domain '{domain.name}' already exists with uuid {other.uuid}"
                raise DriverError(reason, code=Code.OPERATION_FAILED, hint="undefine it, or choose another name")
            if other.uuid == domain.uuid and other.name != domain.name:
                reason = f"domain '{other.name}' is already defined with uuid {domain.uuid}"
                raise DriverError(reason, code=Code.OPERATION_FAILED, hint="undefine it, or leave <uuid> out")

    @change()
    def domain_undefine(self, domain: str, flags: int = 0) -> None:
        """Forget a definition (flag 1: and its saved memory). A running guest runs on, as a transient one."""
        found = self._find(domain)
        if found.uuid not in self._domains:
            reason = "cannot undefine a transient domain"
            raise DriverError(reason, code=Code.OPERATION_INVALID, subject=f"guest {found.name}")
        image = self._save_path(found.uuid)
        if image.exists() and not flags & UNDEFINE_MANAGED_SAVE:
            reason = "refusing to undefine while a managed save image exists"
            raise DriverError(reason, code=Code.OPERATION_INVALID, subject=f"guest {found.name}", hint="flag 1 removes it too")
        with self.context.jobs.changing(f"guest {found.uuid}"):
            guest = self._guests.get(found.uuid)
            if guest is not None:
                guest.transient = True
                self._record(guest)
            with self.context.persistent.transaction() as t:
                t.delete(DOMAINS, found.uuid)
                t.reply(None)
            with self._lock:
                self._domains.pop(found.uuid, None)
                self._autostart.discard(found.uuid)
            image.unlink(missing_ok=True)
            if guest is None:
                self._path(found.uuid, "lock").unlink(missing_ok=True)
        self.context.mend(f"guest {found.name}")
        self._lifecycle(found, "undefined", "removed")

    @change()
    def domain_set_autostart(self, domain: str, autostart: bool) -> None:
        """Start the guest at every boot, or no longer."""
        found = self._find(domain)
        row = self.context.persistent.get(DOMAINS, found.uuid)
        if row is None:
            reason = "cannot set autostart for transient domain"
            raise DriverError(reason, code=Code.OPERATION_INVALID, subject=f"guest {found.name}")
        with self.context.persistent.transaction() as t:
            t.put(DOMAINS, found.uuid, {**row, "autostart": bool(autostart)})
            t.reply(None)
        with self._lock:
            self._autostart.add(found.uuid) if autostart else self._autostart.discard(found.uuid)

    @read()
    def domain_get_autostart(self, domain: str) -> bool:
        """Whether the guest starts at every boot."""
        return self._find(domain).uuid in self._autostart

    @read()
    def domain_list(self) -> list[dict[str, Any]]:
        """List every guest with its last known state."""
        with self._lock:
            rows = [
                self._row(guest.domain, guest.number, guest.state, guest.reason, guest.process.pid, transient=guest.transient)
                for guest in self._guests.values()
                if not guest.process.is_gone()
            ]
            rows += [self._row(domain, -1, "shutoff", "", 0, transient=False) for uuid, domain in self._domains.items() if uuid not in self._guests]
        return sorted(rows, key=lambda row: str(row["name"]))

    def _row(self, domain: Domain, number: int, state: str, reason: str, pid: int, *, transient: bool) -> dict[str, Any]:
        return {
            "id": number,
            "name": domain.name,
            "uuid": domain.uuid,
            "state": state,
            "reason": reason,
            "pid": pid,
            "autostart": domain.uuid in self._autostart,
            "persistent": not transient,
        }

    @read()
    def domain_lookup_by_name(self, name: str) -> dict[str, Any]:
        """Find a guest by its name."""
        return self._shown(self._find(name))

    @read()
    def domain_lookup_by_uuid(self, uuid: str) -> dict[str, Any]:
        """Find a guest by its uuid."""
        return self._shown(self._find(uuid))

    @read()
    def domain_lookup_by_id(self, id: int) -> dict[str, Any]:  # noqa: A002  # libvirt's name for it
        """Find a running guest by its number."""
        with self._lock:
            found = next((guest.domain for guest in self._guests.values() if guest.number == id), None)
        if found is None:
            reason = f"no domain with matching id {id}"
            raise DriverError(reason, code=Code.NO_DOMAIN)
        return self._shown(found)

    def _shown(self, domain: Domain) -> dict[str, Any]:
        return next(row for row in self.domain_list() if row["uuid"] == domain.uuid)

    @read()
    def domain_get_xml_desc(self, domain: str, flags: int = 0) -> str:
        """Return the definition: the live one if it runs, without passwords (flag 1: with; flag 2: the inactive one)."""
        found = self._find(domain)
        guest = self._guests.get(found.uuid)
        if flags & XML_INACTIVE and found.uuid in self._domains:
            found = self._domains[found.uuid]
        root = etree.fromstring(found.xml)
        if guest is not None and not flags & XML_INACTIVE:
            root.set("id", str(guest.number))
        if not flags & XML_SECURE:
            for graphics in root.iterfind("devices/graphics[@passwd]"):
                del graphics.attrib["passwd"]
        return str(etree.tostring(root, encoding="unicode", pretty_print=True))

    def _redefine(self, domain: Domain, *, add: str = "", remove: str = "") -> None:
        again = changed(domain, add=add, remove=remove)
        row = self.context.persistent.get(DOMAINS, domain.uuid)
        assert row is not None
        with self.context.persistent.transaction() as t:
            t.put(DOMAINS, domain.uuid, {**row, "xml": again.xml})
            t.reply(None)
        with self._lock:
            self._domains[domain.uuid] = replace(again)


