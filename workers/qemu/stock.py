"""Taking stock after a restart: every guest is found again, and what was under way is settled. Guests are asked nothing else."""

from __future__ import annotations

import threading
import time
from concurrent.futures import TimeoutError as FutureTimeout
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.qemu.domain import Domain
from tierhost.workers.qemu.expecting import MonitorSilent
from tierhost.workers.qemu.lanes import side_by_side
from tierhost.workers.qemu.roster import GUESTS, UNKNOWN, Guest
from tierhost.workers.qemu.state import RUNNING, Condition, Finding, find_out
from tierhost.workers.runtime import detached
from tierhost.workers.runtime.contract import DriverError

if TYPE_CHECKING:
    from concurrent.futures import Future

    from tierhost.workers.qemu.backend import Backend, Found
    from tierhost.workers.qemu.contact import Contact
    from tierhost.workers.qemu.ending import Ending
    from tierhost.workers.qemu.monitor import Greeting, Monitors
    from tierhost.workers.qemu.plugging import Plugging
    from tierhost.workers.qemu.roster import Roster
    from tierhost.workers.qemu.saving import Saving
    from tierhost.workers.qemu.tending import Tending
    from tierhost.workers.runtime.detached import Detached

GREETINGS_LIMIT_S: Final = 2.0
"""How long all guests together have to greet; who does not is tried again behind the scenes."""

WELCOME_LIMIT_S: Final = 10.0
KILL_LIMIT_S: Final = 5.0
APPEAR_LIMIT_S: Final = 2.0
APPEAR_STEP_S: Final = 0.02
HIDDEN: Final = "something holds its lock, and no process of it can be found; it is not started"


class Stock:
    """What a new life of the driver does first."""

    def __init__(
        self,
        roster: Roster,
        backend: Backend,
        monitors: Monitors,
        contact: Contact,
        tending: Tending,
        saving: Saving,
        plugging: Plugging,
        ending: Ending,
    ) -> None:
        self._roster = roster
        self._backend = backend
        self._monitors = monitors
        self._contact = contact
        self._tending = tending
        self._saving = saving
        self._plugging = plugging
        self._ending = ending
        self._run = roster.context.run
        self._rebuilt: set[str] = set()

    def take(self) -> None:
        """Find every guest, by its record, its lock or its process, and bring it to what was last asked of it."""
        rows, intents = self._run.all(GUESTS), self._run.intents()
        found = self._look_around()
        about = {str(facts["uuid"]) for facts in intents.values()}
        for uuid in sorted({*rows, *found, *about, *self._backend.locks()}):
            process = self._process_of(rows.get(uuid), found.get(uuid))
            finding = find_out(recorded=uuid in rows, starting=f"start {uuid}" in intents, alive=process is not None)
            if finding in {Finding.ADOPT, Finding.REBUILD}:
                assert process is not None
                self._take_up(uuid, process, rows.get(uuid), found.get(uuid))
            else:
                self._close_book(uuid, finding, process, rows.get(uuid))
        # Before anybody is let run: a guest that was being restored when we died must not be restored once more.
        self._saving.drop_stale_images()
        self._greet_all()

    def _look_around(self) -> dict[str, Found]:
        """Look for processes; a lock that is held with no process in sight is a QEMU between fork and exec, or one that ends."""
        found = self._backend.survey()
        deadline_s = time.monotonic() + APPEAR_LIMIT_S
        pause = threading.Event()
        hidden = self._hidden(found)
        while hidden and time.monotonic() < deadline_s:
            pause.wait(APPEAR_STEP_S)
            found = self._backend.survey()
            hidden = self._hidden(found)
        for uuid in hidden:
            self._roster.context.degrade(f"guest {uuid}", HIDDEN)
        return found

    def _hidden(self, found: dict[str, Found]) -> list[str]:
        return [uuid for uuid in self._backend.locks() - found.keys() if self._backend.is_claimed(uuid)]

    @staticmethod
    def _process_of(row: dict[str, Any] | None, found: Found | None) -> Detached | None:
        process = detached.find(row["pid"], row["start_time"]) if row is not None else None
        return process or (found.process if found is not None else None)

    # The living.

    def _take_up(self, uuid: str, process: Detached, row: dict[str, Any] | None, found: Found | None) -> None:
        domain = self._domain_of(uuid, row)
        unknown = domain is None
        if domain is None:
            name = found.name if found is not None and found.name else uuid
            domain = Domain(name, uuid, f"<domain type='qemu'><name>{uuid}</name><uuid>{uuid}</uuid></domain>", memory_kib=0)
        number = self._roster.keep_number(row["number"]) if row else self._roster.next_number()
        guest = Guest(
            domain, process, number, Condition(RUNNING, row["reason"] if row else "unknown"), unknown=unknown, silent=True
        )
        if row is not None:
            guest.paused, guest.rebooting = row["paused"], row["rebooting"]
        else:
            self._rebuilt.add(uuid)
            self._roster.context.emit("guest-record-rebuilt", domain.name, {"uuid": uuid})
            if not unknown:
                self._roster.record(guest)
        if unknown:
            self._roster.degrade(guest, UNKNOWN)
        self._roster.add(guest)
        self._monitors.watch(uuid, process.pidfd)
        intent = self._run.intents().get(f"end {uuid}")
        if intent is not None:
            self._ending.go_through(guest, str(intent["why"]))

    def _domain_of(self, uuid: str, row: dict[str, Any] | None) -> Domain | None:
        if row is not None:
            try:
                return self._roster.domain_of(row)
            except DriverError as error:
                self._roster.context.degrade(f"guest {row['name']}", f"its record is not readable any more: {error}")
        return self._roster.domains.get(uuid)

    def _greet_all(self) -> None:
        """Connect to all guests at once: the time of many is the time of one."""
        deadline_s = time.monotonic() + GREETINGS_LIMIT_S
        begun = [(guest, self._monitors.begin_attach(guest.uuid)) for guest in self._roster.all_running()]
        there = {}
        for guest, future in begun:
            uuid = self._greeting(guest, future, deadline_s)
            if uuid:
                there[guest.uuid] = (guest, uuid)
        side_by_side(self._roster.context, there, lambda uuid: self._contact.attached(*there[uuid]), WELCOME_LIMIT_S)

    def _greeting(self, guest: Guest, future: Future[Greeting], deadline_s: float) -> str:
        try:
            return future.result(max(0.0, deadline_s - time.monotonic())).uuid
        except FutureTimeout:
            future.cancel()
            self._contact.failed(guest, MonitorSilent("its monitor does not greet", subject=guest.subject))
        except DriverError as error:
            self._contact.failed(guest, error)
        return ""

    def answered(self, guest: Guest) -> None:
        """A guest's monitor answers (again), and its lock is held: settle what was under way, then see how it is."""
        if guest.unknown:
            return
        intents = self._run.intents()
        if f"save {guest.uuid}" in intents:
            self._saving.settle(guest, intents[f"save {guest.uuid}"])
            if self._roster.guests.get(guest.uuid) is not guest:
                return
        if f"plug {guest.uuid}" in intents:
            self._plugging.settle(guest, intents[f"plug {guest.uuid}"])
        self._plugging.settle_unplugging(guest)
        status = self._monitors.execute(guest.uuid, "query-status")["status"]
        if guest.uuid in self._rebuilt:
            # Nobody knows what its user wanted, but that it does not run, or never did, says something.
            self._rebuilt.discard(guest.uuid)
            guest.paused = status in {"paused", "prelaunch"}
        self._tending.settle(guest, status)
        if f"pause {guest.uuid}" in intents:
            with self._run.transaction() as t:
                t.settle(f"pause {guest.uuid}")

    # The dead.

    def _close_book(self, uuid: str, finding: Finding, process: Detached | None, row: dict[str, Any] | None) -> None:
        """Undo a start that was never acknowledged; record the end of a guest that died while nobody watched."""
        if process is not None and not process.kill(time.monotonic() + KILL_LIMIT_S):
            self._roster.context.degrade(
                f"guest {uuid}", "its start was to be undone, and the kernel does not let its process go"
            )
            return
        if self._backend.is_claimed(uuid):
            return
        intents = self._run.intents()
        if f"save {uuid}" in intents:
            self._saving.settle(None, intents[f"save {uuid}"])
        if self._run.get(GUESTS, uuid) is not None:
            self._ending.record(uuid, str(intents.get(f"end {uuid}", {}).get("why", "unknown")))
        self._settle_dangling(uuid)
        self._backend.sweep(uuid, entirely=uuid not in self._roster.domains)
        if finding is Finding.GONE and row is not None:
            details = {"uuid": uuid, "event": "stopped", "detail": "ended while nobody watched"}
            self._roster.context.emit("lifecycle", str(row["name"]), details)

    def _settle_dangling(self, uuid: str) -> None:
        intents = self._run.intents()
        with self._run.transaction() as t:
            for key in (f"start {uuid}", f"plug {uuid}", f"pause {uuid}"):
                if key in intents:
                    t.abandon(key)
            for key in intents:
                if key.startswith(f"unplug {uuid} "):
                    t.abandon(key)
            if f"end {uuid}" in intents:
                t.settle(f"end {uuid}")
