"""Defining guests: what is on record of them, and what is forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.qemu.base import QemuBase, check_text
from tierhost.workers.qemu.domain_xml import from_xml
from tierhost.workers.qemu.forgetting import intend_removal, settle_removals
from tierhost.workers.qemu.roster import DOMAINS
from tierhost.workers.runtime.arguments import check_flags
from tierhost.workers.runtime.contract import Code, DriverError, change
from tierhost.workers.runtime.definitions import parse, validate

if TYPE_CHECKING:
    from tierhost.workers.qemu.domain import Domain

DEFINE_VALIDATE: Final = 1
UNDEFINE_MANAGED_SAVE: Final = 1


class Definitions(QemuBase):
    """Definitions, autostart flags, managed saves that nobody wants any more."""

    @change()
    def domain_define_xml(self, xml: str, flags: int = 0) -> dict[str, Any]:
        """Define a guest, or redefine it: a running one stays as it is (flag 1: hold it against libvirt's schema first).

        Returns its name, its uuid, and what in the XML nobody acts on.
        """
        if check_flags(flags, DEFINE_VALIDATE):
            validate(parse(xml, "domain"), "domain")
        domain, unread = from_xml(check_text(xml, "the definition"))
        answer = {"name": domain.name, "uuid": domain.uuid, "unread": list[Any](unread)}
        # One definition at a time: two that want the same name must not both find it free.
        with self.context.jobs.changing("guest definitions"), self.roster.changing(domain.uuid):
            self.roster.check_name(domain)
            row = self.roster.definition_row(domain, autostart=domain.uuid in self.roster.autostart)
            with self.context.persistent.transaction() as t:
                t.put(DOMAINS, domain.uuid, row)
                t.reply(answer)
            self.roster.define(domain)
        if not self.roster.is_running(domain.uuid):
            self.context.mend(domain.subject)
        self.roster.lifecycle(domain, "defined", "added")
        return answer

    @change()
    def domain_undefine(self, domain: str, flags: int = 0) -> None:
        """Forget a definition (flag 1: and its saved memory). A running guest runs on, and is gone when it ends."""
        check_flags(flags, UNDEFINE_MANAGED_SAVE)
        found = self._persistent(domain)
        with self.context.jobs.changing("guest definitions"), self.roster.changing(found.uuid):
            if self.saving.has_image(found.uuid) and not flags & UNDEFINE_MANAGED_SAVE:
                raise DriverError(
                    "refusing to undefine while a managed save image exists",
                    code=Code.OPERATION_INVALID,
                    subject=found.subject,
                    hint="flag 1 removes it too",
                )
            self.autostart.give_up(found.uuid)
            # The image goes last: without a definition it is of no use, a definition without it would lose memory.
            with self.context.persistent.transaction() as t:
                t.delete(DOMAINS, found.uuid)
                t.reply(None)
                if self.saving.has_image(found.uuid):
                    intend_removal(t, found.uuid)
            self.roster.undefine(found.uuid)
            self.saving.remove_image(found.uuid)
            settle_removals(self.roster, self.saving)
            if not self.roster.is_running(found.uuid):
                self.backend.sweep(found.uuid, entirely=True)
        if not self.roster.is_running(found.uuid):
            self.context.mend(found.subject)
        self.roster.lifecycle(found, "undefined", "removed")

    @change()
    def domain_set_autostart(self, domain: str, autostart: bool) -> None:  # libvirt's argument
        """Start the guest at every boot, or no longer."""
        found = self._persistent(domain)
        with self.roster.changing(found.uuid):
            row = self.context.persistent.get(DOMAINS, found.uuid)
            if row is None:
                raise _transient(found)
            with self.context.persistent.transaction() as t:
                t.put(DOMAINS, found.uuid, {**row, "autostart": bool(autostart)})
                t.reply(None)
            self.roster.set_autostart(found.uuid, on=bool(autostart))

    @change()
    def domain_managed_save_remove(self, domain: str, flags: int = 0) -> None:
        """Throw away a guest's saved memory: its next start is a cold one."""
        check_flags(flags, 0)
        found = self.roster.find(domain)
        with self.roster.changing(found.uuid):
            self.saving.remove_image(found.uuid)

    def _persistent(self, name: str) -> Domain:
        """The definition of a guest that has one. Raises NO_DOMAIN or OPERATION_INVALID."""
        found = self.roster.find(name)
        if found.uuid not in self.roster.domains:
            raise _transient(found)
        return self.roster.domains[found.uuid]


def _transient(domain: Domain) -> DriverError:
    return DriverError("it is transient: it has no definition", code=Code.OPERATION_INVALID, subject=domain.subject)
