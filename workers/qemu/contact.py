"""A guest and its monitor: connected, silent, connected again. A guest that does not answer is shown, and left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tierhost.workers.qemu.expecting import MonitorSilent
from tierhost.workers.qemu.state import Condition, condition_of, retry_s
from tierhost.workers.runtime.contract import DriverError, TierhostError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierhost.workers.qemu.monitor import Monitors
    from tierhost.workers.qemu.roster import Guest, Roster

STATUS_LIMIT_S: Final = 2.0
PATIENT: Final = 2
"""Retries of a connection begin as if so many had failed: a QEMU that does not greet will not do so in a moment."""


class Contact:
    """Keeps in touch with guests. `answered(guest)` is called, with the guest's lock held, when one answers (again)."""

    def __init__(self, roster: Roster, monitors: Monitors, answered: Callable[[Guest], None]) -> None:
        self._roster = roster
        self._monitors = monitors
        self._answered = answered

    def lost(self, uuid: str) -> None:
        """A connection broke. Its guest is dying; or nobody knows why, and it is connected again."""
        guest = self._roster.guests.get(uuid)
        if guest is not None:
            self._roster.context.later(retry_s(0), lambda: self.attach(guest, 0))

    def attach(self, guest: Guest, attempt: int) -> None:
        """Connect to a guest that runs; if it does not answer, again and again."""
        if self._is_over(guest) or self._monitors.is_attached(guest.uuid):
            return
        try:
            greeting = self._monitors.attach(guest.uuid)
        except DriverError as error:
            self.failed(guest, error, attempt)
            return
        self.attached(guest, greeting.uuid)

    def failed(self, guest: Guest, error: DriverError, attempt: int = 0) -> None:
        """A guest could not be connected to."""
        guest.silent = True
        self._roster.degrade(guest, error.text)
        self._roster.context.later(retry_s(attempt + PATIENT), lambda: self.attach(guest, attempt + 1))

    def attached(self, guest: Guest, uuid: str) -> None:
        """A guest's monitor answers, as `uuid`."""
        if uuid != guest.uuid:
            self._monitors.detach(guest.uuid)
            self._roster.degrade(guest, f"its monitor answers for {uuid}; it is left alone")
            return
        self._welcome(guest)

    def _welcome(self, guest: Guest) -> None:
        guest.silent = False
        self._roster.mend(guest)
        try:
            with self._roster.changing(guest.uuid):
                if not self._is_over(guest):
                    self._answered(guest)
        except TierhostError as error:
            if not guest.process.is_gone():
                self._roster.degrade(guest, str(error))

    def condition(self, guest: Guest) -> Condition:
        """Ask QEMU how a guest is. If it is known not to answer, say so at once; its return is noticed behind the scenes."""
        if not guest.silent and not guest.process.is_gone():
            try:
                status = self._monitors.execute(guest.uuid, "query-status", limit_s=STATUS_LIMIT_S)["status"]
            except MonitorSilent as error:
                self.fell_silent(guest, error)
            else:
                guest.condition = condition_of(status, guest.condition)
        return guest.shown()

    def fell_silent(self, guest: Guest, error: MonitorSilent) -> None:
        """A guest that did answer does so no longer."""
        if not guest.silent and not guest.process.is_gone():
            guest.silent = True
            self._roster.degrade(guest, error.text)
            self._roster.context.later(retry_s(0), lambda: self._ask_again(guest, 0))

    def _ask_again(self, guest: Guest, attempt: int) -> None:
        if self._is_over(guest) or not guest.silent:
            return
        try:
            self._monitors.execute(guest.uuid, "query-status")
        except MonitorSilent:
            self._roster.context.later(retry_s(attempt + 1), lambda: self._ask_again(guest, attempt + 1))
            return
        self._welcome(guest)

    def _is_over(self, guest: Guest) -> bool:
        return self._roster.guests.get(guest.uuid) is not guest or guest.process.is_gone()
