"""The tables every part of the qemu driver works on: definitions by uuid, and the guests that run."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tierhost.workers.qemu.monitor import Monitors, MonitorSilent
from tierhost.workers.qemu.state import state_of
from tierhost.workers.runtime.contract import Code, Context, DriverError, InhibitCallback, StateDriver

if TYPE_CHECKING:
    from pathlib import Path

    from tierhost.workers.qemu.domain import Domain
    from tierhost.workers.runtime.detached import Detached

DOMAINS = "domains"
GUESTS = "guests"


@dataclass(slots=True)
class Guest:
    """One guest that runs: its process, and what is known of it without asking QEMU."""

    domain: Domain
    process: Detached
    number: int
    transient: bool = False
    volumes: list[list[str]] = field(default_factory=list)
    state: str = "running"
    reason: str = "booted"
    paused_by_user: bool = False
    ending: str = ""
    retries: int = 0

    def row(self) -> dict[str, Any]:
        """As the run state keeps it."""
        return {
            "pid": self.process.pid,
            "start_time": self.process.start_time,
            "xml": self.domain.xml,
            "number": self.number,
            "transient": self.transient,
            "volumes": self.volumes,
            "paused_by_user": self.paused_by_user,
        }


class Guests(StateDriver):
    """Tables, paths and small questions. The other parts inherit from it; the driver is all of them together."""

    tier = "hypervisor"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._lock = threading.RLock()
        self._domains: dict[str, Domain] = {}
        self._autostart: set[str] = set()
        self._guests: dict[str, Guest] = {}
        self._numbers = 0
        self._waiting: set[str] = set()
        self._emulator = ""
        self._monitors: Monitors
        self._inhibit: InhibitCallback

    # Paths.

    def _path(self, uuid: str, suffix: str) -> Path:
        return self.context.run_dir / f"{uuid}.{suffix}"

    def _save_path(self, uuid: str) -> Path:
        return self.context.state_dir / "save" / f"{uuid}.save"

    # Questions.

    def _find(self, name: str) -> Domain:
        """The definition (live, if it runs) of a guest by name or uuid. Raises NO_DOMAIN."""
        with self._lock:
            for guest in self._guests.values():
                if name in {guest.domain.name, guest.domain.uuid}:
                    return guest.domain
            for domain in self._domains.values():
                if name in {domain.name, domain.uuid}:
                    return domain
        reason = f"no domain with matching name '{name!s:.100}'"
        raise DriverError(reason, code=Code.NO_DOMAIN, hint="`tierhost call qemu.domain_list` lists them")

    def _running(self, name: str) -> Guest:
        """The running guest of this name or uuid. Raises OPERATION_INVALID if it is shut off."""
        domain = self._find(name)
        guest = self._guests.get(domain.uuid)
        if guest is None:
            reason = "domain is not running"
            raise DriverError(reason, code=Code.OPERATION_INVALID, subject=f"guest {domain.name}")
        return guest

    def _status(self, guest: Guest) -> tuple[str, str]:
        """Ask QEMU how the guest is; without an answer say what the process says."""
        uuid = guest.domain.uuid
        if guest.process.is_gone():
            return "shutoff", guest.ending or "crashed"
        try:
            status = self._monitors.execute(uuid, "query-status", limit_s=2.0)["status"]
        except MonitorSilent as error:
            self._degrade(guest, error.text)
            return "running", "monitor does not answer"
        state, reason = state_of(status)
        if state == "running" and guest.reason in {"restored", "unpaused"}:
            reason = guest.reason
        guest.state, guest.reason = state, reason
        return state, reason

    def _degrade(self, guest: Guest, reason: str) -> None:
        self.context.degrade(f"guest {guest.domain.name}", reason)

    # Records.

    def _record(self, guest: Guest) -> None:
        self.context.run.put(GUESTS, guest.domain.uuid, guest.row())

    def _add(self, guest: Guest) -> None:
        with self._lock:
            self._guests[guest.domain.uuid] = guest
        self._count()

    def _count(self) -> None:
        with self._lock:
            count = len(self._guests)
        self._inhibit(held=count > 0, why=f"{count} guest{'s are' if count != 1 else ' is'} running" if count else "")

    def _lifecycle(self, domain: Domain, event: str, detail: str) -> None:
        self.context.emit("lifecycle", domain.name, {"uuid": domain.uuid, "event": event, "detail": detail})

    def objects(self) -> dict[str, dict[str, int]]:
        """Count guests by state."""
        counts = {"running": 0, "paused": 0, "shutoff": 0}
        with self._lock:
            for guest in self._guests.values():
                counts[guest.state] = counts.get(guest.state, 0) + 1
            counts["shutoff"] += sum(1 for uuid in self._domains if uuid not in self._guests)
        return {"guests": counts}
