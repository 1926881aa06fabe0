"""Starting a guest: everything is fetched first, then the guest is locked, intended, launched, recorded, and let run."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from tierhost.workers.qemu.expecting import MonitorSilent
from tierhost.workers.qemu.monitor import MonitorRefused
from tierhost.workers.qemu.roster import GUESTS, Guest
from tierhost.workers.qemu.state import RUNNING, Condition
from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierhost.workers.qemu.backend import Backend, Supplies
    from tierhost.workers.qemu.cables import Cables
    from tierhost.workers.qemu.contact import Contact
    from tierhost.workers.qemu.domain import Domain
    from tierhost.workers.qemu.ending import Ending
    from tierhost.workers.qemu.monitor import Monitors
    from tierhost.workers.qemu.roster import Roster
    from tierhost.workers.qemu.supply import Supply
    from tierhost.workers.qemu.tending import Tending

GREETING_LIMIT_S: Final = 30.0
"""QEMU answers when it has opened its disks, and a strong passphrase takes seconds to check."""

LOAD_LIMIT_S: Final = 120.0
KILL_LIMIT_S: Final = 5.0


class DidNotRun(DriverError):
    """Raised when QEMU refused to let a guest run: the memory it was to go on with is still good."""

    code = Code.OPERATION_FAILED


class Starting:
    """Starts guests. What was not acknowledged is undone by the next life; a guest is never started twice."""

    def __init__(
        self,
        roster: Roster,
        backend: Backend,
        monitors: Monitors,
        supply: Supply,
        cables: Cables,
        tending: Tending,
        contact: Contact,
        ending: Ending,
    ) -> None:
        self._roster = roster
        self._backend = backend
        self._monitors = monitors
        self._supply = supply
        self._cables = cables
        self._tending = tending
        self._contact = contact
        self._ending = ending

    def start(
        self, domain: Domain, *, paused: bool = False, memory: int | None = None, about_to_run: Callable[[], None] | None = None
    ) -> Guest:
        """Start a guest that is shut off, and return when it is on record and runs. Raises DriverError.

        With `memory`, a descriptor of a saved guest's stream, it goes on where it was; `about_to_run` is called at the
        last moment before it does.
        """
        self._check_shut_off(domain)
        with (
            self._supply.fetched(domain) as supplies,
            self._cables.plugged(domain, supplies),
            self._roster.changing(domain.uuid),
        ):
            self._check_shut_off(domain)
            guest = self._begin(domain, supplies, paused=paused, memory=memory)
            self._let_run(guest, about_to_run)
            how = "booted" if memory is None else "restored"
            if guest.condition.state == RUNNING:
                guest.condition = Condition(RUNNING, how)
        if not guest.silent:
            self._roster.mend(guest)
        self._roster.lifecycle(domain, "started", how)
        return guest

    def _check_shut_off(self, domain: Domain) -> None:
        guest = self._roster.guests.get(domain.uuid)
        if guest is None:
            return
        if not guest.process.is_gone():
            raise DriverError("domain is already running", code=Code.OPERATION_INVALID, subject=domain.subject)
        # Its process has just died, and we are quicker than whoever was told to see to that.
        self._ending.ended(guest)

    def _begin(self, domain: Domain, supplies: Supplies, *, paused: bool, memory: int | None) -> Guest:
        """Launch and record. An error, of whatever kind, leaves nothing behind."""
        run = self._roster.context.run
        intent = f"start {domain.uuid}"
        lock = self._backend.claim(domain)
        with ExitStack() as undo:
            try:
                run.intend(intent, {"uuid": domain.uuid, "name": domain.name})
                undo.callback(self._undone, domain, intent)
                process = self._backend.launch(domain, supplies, lock, incoming=memory is not None)
            finally:
                os.close(lock)
            undo.callback(lambda: process.kill(time.monotonic() + KILL_LIMIT_S))
            how = "booted" if memory is None else "restored"
            guest = Guest(domain, process, self._roster.next_number(), Condition("paused", "starting up"), paused=paused)
            undo.callback(self._monitors.forget, domain.uuid)
            self._greet(guest)
            if memory is not None:
                self._load(guest, memory)
            with run.transaction() as t:
                t.put(GUESTS, domain.uuid, {**self._roster.guest_row(guest), "reason": how})
                t.settle(intent, reply=domain.name)
                t.reply(domain.name)
            undo.pop_all()
        self._roster.add(guest)
        self._monitors.watch(domain.uuid, process.pidfd)
        return guest

    def _undone(self, domain: Domain, intent: str) -> None:
        self._backend.sweep(domain.uuid, entirely=domain.uuid not in self._roster.domains)
        with self._roster.context.run.transaction() as t:
            t.abandon(intent)

    def _greet(self, guest: Guest) -> None:
        """Connect to the fresh QEMU; if it ends instead, say what it said."""
        try:
            self._monitors.attach(guest.uuid, GREETING_LIMIT_S)
        except MonitorSilent as error:
            raise self._explained(guest, error) from None

    def _explained(self, guest: Guest, error: DriverError) -> DriverError:
        """What QEMU wrote before it died says more than that it no longer answers."""
        if not guest.process.is_gone(1.0):
            return error
        said = self._backend.last_words(guest.uuid) or guest.process.how or "without a word"
        return DriverError(f"QEMU ended at once: {said}", subject=guest.subject, hint=_hint(said))

    def _load(self, guest: Guest, memory: int) -> None:
        """Give QEMU the saved memory to read, and wait until it has."""
        uuid = guest.uuid
        deadline_s = time.monotonic() + LOAD_LIMIT_S
        try:
            with self._monitors.expecting(uuid, "MIGRATION") as event:
                capabilities = [{"capability": "events", "state": True}]
                self._monitors.execute(uuid, "migrate-set-capabilities", {"capabilities": capabilities})
                self._monitors.execute(uuid, "getfd", {"fdname": "memory"}, fd=memory)
                self._monitors.execute(uuid, "migrate-incoming", {"uri": "fd:memory"})
                status = ""
                while status not in {"completed", "failed"}:
                    status = str(event(deadline_s)["status"])
        except (MonitorSilent, MonitorRefused) as error:
            raise self._explained(guest, error) from None
        if status == "failed":
            raise self._explained(guest, DriverError("its saved memory cannot be loaded", subject=guest.subject))

    def _let_run(self, guest: Guest, about_to_run: Callable[[], None] | None) -> None:
        """It is on record: from here on the next life would go through with it. Hold its lock."""
        try:
            if about_to_run is not None:
                about_to_run()
            if guest.domain.balloon and guest.domain.current_kib < guest.domain.memory_kib:
                self._monitors.execute(guest.uuid, "balloon", {"value": guest.domain.current_kib * 1024})
            self._tending.settle(guest, self._monitors.execute(guest.uuid, "query-status")["status"])
        except MonitorRefused as error:
            guest.ending = "failed"
            self._ending.end(guest, "failed", answer=False)
            raise DidNotRun(f"QEMU does not let it run: {error.text}", subject=guest.subject) from None
        except MonitorSilent as error:
            if guest.process.is_gone():
                guest.ending = "failed"
                failed = self._explained(guest, error)
                self._ending.ended(guest)
                raise failed from None
            # It is started, and somebody has stopped its QEMU since: shown as such, and tended when it answers again.
            self._contact.fell_silent(guest, error)


def _hint(said: str) -> str:
    if "Invalid password" in said:
        return "the secret's value does not open the disk: set the right passphrase"
    if '" lock' in said:  # as in: Failed to get "write" lock
        return "another process uses the image"
    return ""
