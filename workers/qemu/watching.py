"""What guests do by themselves: they stop, fail, lose their disks, die; and what a restart of this driver finds."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tierhost.workers.qemu.domain_xml import from_xml
from tierhost.workers.qemu.guests import DOMAINS, GUESTS, Guest
from tierhost.workers.qemu.launching import KILL_LIMIT_S, Launching
from tierhost.workers.qemu.monitor import MonitorRefused, MonitorSilent
from tierhost.workers.qemu.state import Finding, find_out, retry_s, state_of
from tierhost.workers.runtime import detached
from tierhost.workers.runtime.contract import DriverError, TierhostError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.workers.qemu.domain import Domain
    from tierhost.workers.runtime.detached import Detached


class Watching(Launching):
    """Listens to monitors and pidfds. Everything here may run while a person changes the same guest."""

    # Events of a running guest (called in the monitors' thread: note, and leave the work to the pool).

    def _on_event(self, uuid: str, kind: str, data: Mapping[str, Any]) -> None:
        guest = self._guests.get(uuid)
        if guest is None:
            return
        if kind == "STOP" and guest.state == "running":
            guest.state, guest.reason = "paused", "user" if guest.paused_by_user else guest.reason
            self._lifecycle(guest.domain, "suspended", guest.reason)
        elif kind == "RESUME":
            guest.state, guest.reason, guest.retries = "running", "unpaused", 0
            self.context.mend(f"guest {guest.domain.name}")
            self._lifecycle(guest.domain, "resumed", "unpaused")
        elif kind == "BLOCK_IO_ERROR":
            self._io_error(guest, data)
        elif kind == "SHUTDOWN":
            self.context.later(0.0, lambda: self._shut_down(guest, data))
        elif kind == "RESET":
            self.context.emit("reboot", guest.domain.name, {"uuid": uuid})
        elif kind == "GUEST_PANICKED":
            guest.state, guest.reason, guest.ending = "crashed", "panicked", "crashed"
            self._lifecycle(guest.domain, "crashed", "panicked")
        elif kind == "DEVICE_DELETED" and data.get("device"):
            self.context.emit("device-removed", guest.domain.name, {"uuid": uuid, "device": str(data["device"])})

    def _io_error(self, guest: Guest, data: Mapping[str, Any]) -> None:
        node = str(data.get("node-name") or data.get("device") or "a disk")
        what = "no space left" if data.get("nospace") else str(data.get("reason", "I/O error"))
        guest.state, guest.reason = "paused", "ioerror"
        self._degrade(guest, f"{node}: {what}; it goes on when its storage is back")
        self.context.emit("io-error", guest.domain.name, {"uuid": guest.domain.uuid, "disk": node, "reason": what})
        self.context.later(retry_s(guest.retries), lambda: self._go_on(guest))

    def _go_on(self, guest: Guest) -> None:
        """Try to let a guest run on that stopped for an I/O error; one `cont` may come too early, so it is repeated."""
        if self._guests.get(guest.domain.uuid) is not guest or guest.paused_by_user:
            return
        try:
            if self._monitors.execute(guest.domain.uuid, "query-status")["status"] != "io-error":
                return
            self._monitors.execute(guest.domain.uuid, "cont")
        except (MonitorSilent, MonitorRefused) as error:
            self._degrade(guest, error.text)
        guest.retries += 1
        self.context.later(retry_s(guest.retries), lambda: self._go_on(guest))

    def _shut_down(self, guest: Guest, data: Mapping[str, Any]) -> None:
        """The guest powered itself off (or QEMU was told to): its process waits for us to have seen why."""
        if not guest.ending:
            guest.ending = "shutdown"
        by_guest = bool(data.get("guest"))
        restart = guest.domain.on_poweroff == "restart" and by_guest and guest.ending == "shutdown"
        try:
            if restart:
                guest.ending = ""
                self._monitors.execute(guest.domain.uuid, "system_reset")
                self._monitors.execute(guest.domain.uuid, "cont")
            elif guest.domain.on_poweroff != "preserve" or not by_guest:
                self._monitors.execute(guest.domain.uuid, "quit")
        except (MonitorSilent, MonitorRefused):
            # It is gone already, which is what we wanted.
            return

    def _on_death(self, uuid: str) -> None:
        guest = self._guests.get(uuid)
        if guest is not None:
            self.context.later(0.0, lambda: self._ended(guest))

    def _ended(self, guest: Guest) -> None:
        """The process is dead: the guest is shut off. Runs once, whoever noticed first."""
        uuid = guest.domain.uuid
        with self._lock:
            if self._guests.get(uuid) is not guest:
                return
            del self._guests[uuid]
        guest.process.is_gone(KILL_LIMIT_S)
        self._monitors.detach(uuid)
        self.context.run.delete(GUESTS, uuid)
        self._sweep(uuid)
        guest.process.close()
        self._count()
        self.context.mend(f"guest {guest.domain.name}")
        ending = guest.ending or "crashed"
        self._lifecycle(guest.domain, "crashed" if ending == "crashed" else "stopped", ending)
        self._release_volumes(uuid)
        if ending == "crashed" and guest.domain.on_crash == "restart":
            self.context.later(retry_s(guest.retries), lambda: self._start_later(uuid))

    def _start_later(self, uuid: str) -> None:
        domain = self._domains.get(uuid)
        if domain is not None and uuid not in self._guests:
            self._try_autostart(domain, 0)

    def _try_autostart(self, domain: Domain, attempt: int) -> None:
        raise NotImplementedError

    # Storage.

    def _release_volumes(self, uuid: str, attempt: int = 0) -> None:
        try:
            self.context.services.storage.release_volumes(f"guest {uuid}")
        except TierhostError:
            # Storage is down or hangs. It asks us nothing; we tell it when it is back.
            self.context.later(retry_s(attempt), lambda: self._hold_volumes(attempt + 1))

    def _hold_volumes(self, attempt: int = 0) -> None:
        """Tell storage the whole truth of what running guests use. Never a reason to touch a guest."""
        with self._lock:
            held = {f"guest {uuid}": guest.volumes for uuid, guest in self._guests.items() if guest.volumes}
        try:
            self.context.services.storage.hold_volumes(held)
        except TierhostError:
            self.context.later(retry_s(attempt), lambda: self._hold_volumes(attempt + 1))

    # After a restart.

    def _take_stock(self) -> None:
        """Find every guest again. Storage and secret are not asked: a running guest needs neither of us."""
        rows = self.context.run.all(GUESTS)
        intents = {facts["uuid"]: key for key, facts in self.context.run.intents().items() if key.startswith("start ")}
        locks = {path.stem for path in self.context.run_dir.glob("*.lock")}
        for uuid in sorted({*rows, *intents, *locks}):
            process = self._process_of(uuid, rows.get(uuid))
            finding = find_out(recorded=uuid in rows, intended=uuid in intents, alive=process is not None or self.is_alive(uuid))
            self._deal_with(finding, uuid, rows.get(uuid), process, intents.get(uuid))
        self._count()

    def _process_of(self, uuid: str, row: dict[str, Any] | None) -> Detached | None:
        if row is not None:
            process = detached.find(row["pid"], row["start_time"])
            if process is not None:
                return process
        if not self.is_alive(uuid):
            return None
        found = detached.find_by_argument(uuid)
        return found[0] if found else None

    def _deal_with(self, finding: Finding, uuid: str, row: dict[str, Any] | None, process: Detached | None, intent: str | None) -> None:
        if finding is Finding.UNDO:
            if process is not None:
                process.kill(time.monotonic() + KILL_LIMIT_S)
            self._sweep(uuid)
        elif finding is Finding.GONE:
            assert row is not None
            self.context.run.delete(GUESTS, uuid)
            self._sweep(uuid)
            self.context.emit("lifecycle", uuid, {"uuid": uuid, "event": "stopped", "detail": "ended while nobody watched"})
        elif finding in {Finding.ADOPT, Finding.REBUILD}:
            self._adopt(uuid, row, process)
        if intent is not None:
            with self.context.run.transaction() as t:
                t.settle(intent) if finding is Finding.ADOPT else t.abandon(intent)

    def _adopt(self, uuid: str, row: dict[str, Any] | None, process: Detached | None) -> None:
        domain = self._live_definition(uuid, row)
        if domain is None or process is None:
            self.context.degrade(f"guest {uuid}", "a process of this guest lives, and nothing else is known of it; it is left alone")
            return
        self._numbers = max(self._numbers + 1, row["number"] if row else 0)
        number = row["number"] if row else self._numbers
        guest = Guest(domain, process, number, transient=uuid not in self._domains)
        if row is not None:
            guest.transient, guest.volumes, guest.paused_by_user = row["transient"], row["volumes"], row["paused_by_user"]
        with self._lock:
            self._guests[uuid] = guest
        if row is None:
            self._record(guest)
            self.context.emit("guest-record-rebuilt", domain.name, {"uuid": uuid})
        self._monitors.watch(uuid, process.pidfd)
        self._attach_again(guest, 0)

    def _live_definition(self, uuid: str, row: dict[str, Any] | None) -> Domain | None:
        if row is not None:
            try:
                return replace(from_xml(row["xml"])[0], xml=row["xml"])
            except DriverError:
                pass
        return self._domains.get(uuid)

    def _attach_again(self, guest: Guest, attempt: int) -> None:
        """Connect to a guest that was found. Without an answer it is shown as degraded and tried again, never touched."""
        uuid = guest.domain.uuid
        if self._guests.get(uuid) is not guest or guest.process.is_gone():
            return
        try:
            found = self._monitors.attach(uuid, str(self._path(uuid, "qmp")))
        except DriverError as error:
            guest.reason = "monitor does not answer"
            self._degrade(guest, error.text)
            self.context.later(retry_s(attempt + 2), lambda: self._attach_again(guest, attempt + 1))
            return
        if found["uuid"] != uuid:
            self._monitors.detach(uuid)
            self._degrade(guest, f"its monitor answers for {found['uuid']}")
            return
        self.context.mend(f"guest {guest.domain.name}")
        guest.state, guest.reason = state_of(found["status"])
        if found["status"] == "io-error":
            self._io_error(guest, {"reason": "I/O error"})
        elif found["status"] == "shutdown":
            self._shut_down(guest, {"guest": True})
        elif found["status"] == "prelaunch" and not guest.paused_by_user:
            self._monitors.execute(uuid, "cont")

    def _load_definitions(self) -> None:
        domains, autostart = {}, set()
        for uuid, row in self.context.persistent.all(DOMAINS).items():
            try:
                domains[uuid] = replace(from_xml(row["xml"])[0], xml=row["xml"])
            except DriverError as error:
                self.context.degrade(f"guest {row.get('name', uuid)}", f"its definition is not readable any more: {error}")
                continue
            if row["autostart"]:
                autostart.add(uuid)
        with self._lock:
            self._domains, self._autostart = domains, autostart
