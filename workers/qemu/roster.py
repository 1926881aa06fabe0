"""The guests: definitions by uuid, those that run, and the records of both."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.qemu.domain_xml import from_xml
from tierhost.workers.qemu.state import NO_ANSWER, PAUSED, RUNNING, SHUTOFF, Condition
from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tierhost.workers.qemu.domain import Domain
    from tierhost.workers.qemu.keys import Passwords
    from tierhost.workers.runtime.contract import Context, InhibitCallback
    from tierhost.workers.runtime.detached import Detached

DOMAINS: Final = "domains"
"""Persistent: uuid -> name, xml, autostart, password."""

GUESTS: Final = "guests"
"""Run: uuid -> what it takes to know a running guest again."""

ENDED: Final = "ended"
"""Run: uuid -> why the guest was shut off the last time."""

WAITING: Final = "waiting"
"""Run: uuid -> nothing; guests that are to be started as soon as what they need is there."""

RUNNING_STATES: Final = (RUNNING, PAUSED, SHUTOFF)
"""States that are shown even when no guest is in them."""

UNKNOWN: Final = "a process of this guest runs, and every record of it is lost; it is left alone until it is destroyed"


@dataclass(slots=True, eq=False)
class Guest:
    """One guest that runs: its process, and what is known of it without asking QEMU.

    `paused` is what its user wants; `condition` is what QEMU last said. `rebooting`: the power button was pressed, and
    it is to come back. `ending`: why its process ends, noted before it does. `silent`: its monitor does not answer.
    """

    domain: Domain
    process: Detached
    number: int
    condition: Condition
    paused: bool = False
    rebooting: bool = False
    unknown: bool = False
    ending: str = ""
    silent: bool = False
    retrying: bool = False
    retries: int = 0
    failed_s: float = 0.0

    @property
    def uuid(self) -> str:
        """Its uuid."""
        return self.domain.uuid

    @property
    def subject(self) -> str:
        """How errors, events and `tierhost status` name it."""
        return self.domain.subject

    def shown(self) -> Condition:
        """How it is, for somebody who cannot wait: what its process says outweighs everything."""
        if self.process.is_gone():
            return Condition(SHUTOFF, self.ending or "crashed")
        return Condition(self.condition.state, NO_ANSWER) if self.silent else self.condition


class Roster:
    """Tables and small questions, thread-safe. Definitions and records change together with their tables, here alone."""

    def __init__(self, context: Context, passwords: Passwords, inhibit: InhibitCallback) -> None:
        self.context = context
        self._passwords = passwords
        self._inhibit = inhibit
        self._lock = threading.RLock()
        self._numbers = 0
        self.domains: dict[str, Domain] = {}
        self.autostart: set[str] = set()
        self.guests: dict[str, Guest] = {}

    def changing(self, uuid: str, deadline_s: float | None = None) -> AbstractContextManager[None]:
        """Hold one guest while it is changed."""
        return self.context.jobs.changing(f"guest {uuid}", deadline_s)

    # Questions.

    def find(self, name: str) -> Domain:
        """The definition (the live one, if it runs) of a guest by name or uuid. Raises NO_DOMAIN."""
        wanted = str(name)
        with self._lock:
            for domain in (*(guest.domain for guest in self.guests.values()), *self.domains.values()):
                if wanted == domain.name or wanted.lower() == domain.uuid:
                    return domain
        hint = "`tierhost call qemu.domain_list` lists them"
        raise DriverError(f"no domain with matching name '{wanted:.100}'", code=Code.NO_DOMAIN, hint=hint)

    def running(self, name: str) -> Guest:
        """The running guest of this name or uuid. Raises OPERATION_INVALID if it is shut off."""
        domain = self.find(name)
        guest = self.guests.get(domain.uuid)
        if guest is None or guest.process.is_gone():
            raise DriverError("domain is not running", code=Code.OPERATION_INVALID, subject=domain.subject)
        return guest

    def is_running(self, uuid: str) -> bool:
        """Whether a process of this guest lives."""
        guest = self.guests.get(uuid)
        return guest is not None and not guest.process.is_gone()

    def everybody(self) -> list[tuple[Domain, Guest | None]]:
        """Every definition and every running guest, by name."""
        with self._lock:
            found = [(domain, self.guests.get(uuid)) for uuid, domain in self.domains.items()]
            found += [(guest.domain, guest) for uuid, guest in self.guests.items() if uuid not in self.domains]
        return sorted(found, key=lambda pair: pair[0].name)

    def all_running(self) -> list[Guest]:
        """Every guest that is taken for running now."""
        with self._lock:
            return list(self.guests.values())

    def condition(self, uuid: str) -> Condition:
        """How a guest is, without asking QEMU."""
        guest = self.guests.get(uuid)
        if guest is not None:
            return guest.shown()
        ended = self.context.run.get(ENDED, uuid)
        return Condition(SHUTOFF, str(ended["reason"]) if ended else "unknown")

    def check_name(self, domain: Domain) -> None:
        """Refuse a definition whose name or uuid is another guest's."""
        with self._lock:
            others = [*self.domains.values(), *(guest.domain for guest in self.guests.values())]
        for other in others:
            _refuse_clash(domain, other)

    # Definitions.

    def load(self) -> None:
        """Read the definitions. One that is not readable any more costs that guest only."""
        domains, autostart = {}, set()
        for uuid, row in self.context.persistent.all(DOMAINS).items():
            try:
                domains[uuid] = self.domain_of(row)
            except DriverError as error:
                self.context.degrade(f"guest {row.get('name', uuid)}", f"its definition is not readable any more: {error}")
                continue
            if row["autostart"]:
                autostart.add(uuid)
        with self._lock:
            self.domains, self.autostart = domains, autostart

    def domain_of(self, row: dict[str, Any]) -> Domain:
        """A definition out of a record. Raises DriverError."""
        return self.completed(row["xml"], row["password"])

    def completed(self, xml: str, sealed: bytes) -> Domain:
        """A definition out of XML without its password, and the sealed password. Raises DriverError."""
        domain, _ = from_xml(xml)
        domain = replace(domain, xml=xml)
        if not sealed or domain.graphics is None:
            return domain
        return replace(domain, graphics=replace(domain.graphics, password=self._passwords.open(domain.uuid, sealed)))

    def sealed_password(self, domain: Domain) -> bytes:
        """A guest's VNC password as it may be written down."""
        return self._passwords.seal(domain.uuid, domain.graphics.password if domain.graphics else "")

    def definition_row(self, domain: Domain, *, autostart: bool) -> dict[str, Any]:
        """A definition as the persistent state keeps it."""
        return {"name": domain.name, "xml": domain.xml, "autostart": autostart, "password": self.sealed_password(domain)}

    def define(self, domain: Domain) -> None:
        """A definition was recorded."""
        with self._lock:
            self.domains[domain.uuid] = domain

    def undefine(self, uuid: str) -> None:
        """A definition was removed."""
        with self._lock:
            self.domains.pop(uuid, None)
            self.autostart.discard(uuid)

    def set_autostart(self, uuid: str, *, on: bool) -> None:
        """Its autostart flag was recorded."""
        with self._lock:
            if on:
                self.autostart.add(uuid)
            else:
                self.autostart.discard(uuid)

    # Running guests.

    def guest_row(self, guest: Guest) -> dict[str, Any]:
        """A running guest as the run state keeps it."""
        return {
            "name": guest.domain.name,
            "xml": guest.domain.xml,
            "password": self.sealed_password(guest.domain),
            "pid": guest.process.pid,
            "start_time": guest.process.start_time,
            "number": guest.number,
            "reason": guest.condition.reason if guest.condition.state == RUNNING else "booted",
            "paused": guest.paused,
            "rebooting": guest.rebooting,
        }

    def record(self, guest: Guest) -> None:
        """Write a running guest's record anew."""
        self.context.run.put(GUESTS, guest.uuid, self.guest_row(guest))

    def note_reboot(self, guest: Guest, *, wanted: bool) -> None:
        """Record whether a guest that powers itself off is to come back; hold its lock."""
        if guest.rebooting != wanted:
            guest.rebooting = wanted
            self.record(guest)

    def next_number(self) -> int:
        """A number for a guest that starts (libvirt's domain id)."""
        with self._lock:
            self._numbers += 1
            return self._numbers

    def keep_number(self, number: int) -> int:
        """Note that a number is in use: no other guest gets it."""
        with self._lock:
            self._numbers = max(self._numbers, number)
            return number

    def add(self, guest: Guest) -> None:
        """A guest runs; its record is written."""
        with self._lock:
            self.guests[guest.uuid] = guest
        self._tell_host()

    def remove(self, guest: Guest) -> None:
        """A guest runs no longer; its record is gone."""
        with self._lock:
            self.guests.pop(guest.uuid, None)
        self._tell_host()

    def _tell_host(self) -> None:
        count = len(self.guests)
        self._inhibit(held=count > 0, why=f"{count} guest{'s are' if count > 1 else ' is'} running" if count else "")

    # Telling.

    def degrade(self, guest: Guest, reason: str) -> None:
        """Show that something is wrong with a guest."""
        self.context.degrade(guest.subject, reason)

    def mend(self, guest: Guest) -> None:
        """A guest is all right again, unless it is one we know nothing of."""
        if guest.unknown and not guest.process.is_gone():
            self.context.degrade(guest.subject, UNKNOWN)
        else:
            self.context.mend(guest.subject)

    def lifecycle(self, domain: Domain, event: str, detail: str) -> None:
        """Tell of a change in a guest's life, in libvirt's words."""
        self.context.emit("lifecycle", domain.name, {"uuid": domain.uuid, "event": event, "detail": detail})


def _refuse_clash(domain: Domain, other: Domain) -> None:
    if other.name == domain.name and other.uuid != domain.uuid:
        hint = "undefine it, or choose another name"
        raise DriverError(f"domain '{domain.name}' already exists with uuid {other.uuid}", code=Code.DOM_EXIST, hint=hint)
    if other.uuid == domain.uuid and other.name != domain.name:
        hint = "undefine it, or leave <uuid> out"
        raise DriverError(f"domain '{other.name}' is already defined with uuid {domain.uuid}", code=Code.DOM_EXIST, hint=hint)
