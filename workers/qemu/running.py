"""Starting, stopping, pausing and saving guests: the verbs a person uses on one guest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from tierhost.workers.qemu.base import QemuBase, check_text
from tierhost.workers.qemu.domain_xml import from_xml
from tierhost.workers.qemu.roster import GUESTS
from tierhost.workers.qemu.state import PAUSED, RUNNING, Condition
from tierhost.workers.runtime.arguments import check_flags
from tierhost.workers.runtime.contract import Code, DriverError, TierhostError, change

if TYPE_CHECKING:
    from tierhost.workers.qemu.roster import Guest

START_PAUSED: Final = 1
START_FORCE_BOOT: Final = 16
DESTROY_GRACEFUL: Final = 1
SAVE_RUNNING: Final = 2
SAVE_PAUSED: Final = 4


class Running(QemuBase):
    """Changes to how a guest is; flags are libvirt's."""

    @change()
    def domain_create(self, domain: str, flags: int = 0) -> str:
        """Start a defined guest, from its saved memory if there is some (flag 1: paused; 16: cold, saved memory is thrown away).

        Returns its name.
        """
        check_flags(flags, START_PAUSED | START_FORCE_BOOT)
        found = self.roster.find(domain)
        if self.roster.is_running(found.uuid):
            raise DriverError("domain is already running", code=Code.OPERATION_INVALID, subject=found.subject)
        definition = self.roster.domains.get(found.uuid, found)
        if flags & START_FORCE_BOOT:
            with self.roster.changing(found.uuid):
                self.saving.remove_image(found.uuid)
        self.saving.start_or_restore(definition, paused=bool(flags & START_PAUSED))
        self.autostart.give_up(found.uuid)
        return found.name

    @change()
    def domain_create_xml(self, xml: str, flags: int = 0) -> str:
        """Start a guest that is gone for good when it ends (flag 1: paused). Returns its name."""
        check_flags(flags, START_PAUSED)
        domain, _ = from_xml(check_text(xml, "the definition"))
        self.roster.check_name(domain)
        self.starting.start(domain, paused=bool(flags & START_PAUSED))
        return domain.name

    @change()
    def domain_destroy(self, domain: str, flags: int = 0) -> None:
        """End a guest at once, as if its power were cut (flag 1: not by force). Works without its monitor, too."""
        check_flags(flags, DESTROY_GRACEFUL)
        found = self.roster.find(domain)
        waited = self.autostart.give_up(found.uuid)
        if waited and not self.roster.is_running(found.uuid):
            self.context.mend(found.subject)
            return
        with self.roster.changing(found.uuid):
            guest = self.roster.running(found.uuid)
            self.ending.end(guest, "destroyed", politely=bool(flags & DESTROY_GRACEFUL))
        self.supply.wait_heard()
        self.cables.wait_given_back(guest.uuid)

    @change()
    def domain_shutdown(self, domain: str, flags: int = 0) -> None:
        """Press the power button; whether and when the guest obeys is its own affair (event lifecycle stopped)."""
        check_flags(flags, 0)
        guest = self.roster.running(domain)
        with self.roster.changing(guest.uuid):
            self.roster.note_reboot(guest, wanted=False)
            self.execute(guest.uuid, "system_powerdown")

    @change()
    def domain_reboot(self, domain: str, flags: int = 0) -> None:
        """Press the power button, and start the guest again when it is off."""
        check_flags(flags, 0)
        guest = self.roster.running(domain)
        with self.roster.changing(guest.uuid):
            self.roster.note_reboot(guest, wanted=True)
            self.execute(guest.uuid, "system_powerdown")

    @change()
    def domain_reset(self, domain: str, flags: int = 0) -> None:
        """Press the reset button."""
        check_flags(flags, 0)
        guest = self.roster.running(domain)
        with self.roster.changing(guest.uuid):
            self.execute(guest.uuid, "system_reset")

    @change()
    def domain_suspend(self, domain: str) -> None:
        """Pause a guest, until it is resumed: restarts of this driver do not let it run on."""
        guest = self.roster.running(domain)
        with self.roster.changing(guest.uuid):
            self._pause(guest, paused=True)
            guest.condition = Condition(PAUSED, "user")

    @change()
    def domain_resume(self, domain: str) -> None:
        """Let a paused guest run on."""
        guest = self.roster.running(domain)
        with self.roster.changing(guest.uuid):
            self._pause(guest, paused=False)
            guest.condition = Condition(RUNNING, "unpaused")

    def _pause(self, guest: Guest, *, paused: bool) -> None:
        """What its user wants is on record first: whoever takes over goes through with it."""
        before, guest.paused = guest.paused, paused
        intent = f"pause {guest.uuid}"
        with self.context.run.transaction() as t:
            t.intend(intent, {"uuid": guest.uuid})
            t.put(GUESTS, guest.uuid, self.roster.guest_row(guest))
        try:
            self.execute(guest.uuid, "stop" if paused else "cont")
        except TierhostError:
            guest.paused = before
            with self.context.run.transaction() as t:
                t.abandon(intent)
                t.put(GUESTS, guest.uuid, self.roster.guest_row(guest))
            raise
        with self.context.run.transaction() as t:
            t.settle(intent)
            t.reply(None)

    # Memory on disk.

    @change()
    def domain_save(self, domain: str, to: str, flags: int = 0) -> None:
        """Save a guest's memory to a file and end it (flags 2, 4: it is to be running, paused, when it is restored)."""
        guest = self.roster.running(domain)
        self.saving.save(guest, _file(to), paused=_paused(flags))
        self.supply.wait_heard()
        self.cables.wait_given_back(guest.uuid)

    @change()
    def domain_restore(self, source: str, flags: int = 0) -> str:
        """Start a guest from a file that `domain_save` wrote (flag 4: paused). Returns its name."""
        guest = self.saving.restore(_file(source), paused=bool(_paused(flags)))
        return guest.domain.name

    @change()
    def domain_managed_save(self, domain: str, flags: int = 0) -> None:
        """Save a guest's memory where its next start finds it, and end it (flags 2, 4 as with `domain_save`)."""
        guest = self.roster.running(domain)
        if guest.uuid not in self.roster.domains:
            raise DriverError("cannot do managed save for transient domain", code=Code.OPERATION_INVALID, subject=guest.subject)
        self.saving.save_managed(guest, paused=_paused(flags))
        self.supply.wait_heard()
        self.cables.wait_given_back(guest.uuid)


def _file(path: object) -> Path:
    text = check_text(path, "the file's path")
    if not text.startswith("/") or "\0" in text:
        raise DriverError(f"{text!r:.80} is not an absolute path", code=Code.INVALID_ARG)
    return Path(text)


def _paused(flags: int) -> bool | None:
    check_flags(flags, SAVE_RUNNING | SAVE_PAUSED)
    if flags & SAVE_RUNNING and flags & SAVE_PAUSED:
        raise DriverError("running and paused at once", code=Code.INVALID_ARG, hint="give flag 2 or flag 4")
    return True if flags & SAVE_PAUSED else False if flags & SAVE_RUNNING else None
