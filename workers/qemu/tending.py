"""Guests as they run: what QEMU tells of them, what their users want of them, and what follows from both."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.qemu.expecting import MonitorSilent
from tierhost.workers.qemu.state import (
    RUNNING,
    After,
    Condition,
    Wish,
    after_event,
    after_panic,
    after_power_off,
    condition_of,
    wish,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.workers.qemu.io_errors import IoErrors
    from tierhost.workers.qemu.monitor import Monitors
    from tierhost.workers.qemu.roster import Guest, Roster

FOLLOW_LIMIT_S: Final = 60.0
"""How long a guest that powered itself off waits for a change of it that is under way."""


class Tending:
    """Hears events, and brings guests to what they should be."""

    def __init__(self, roster: Roster, monitors: Monitors, io_errors: IoErrors) -> None:
        self._roster = roster
        self._monitors = monitors
        self._io_errors = io_errors

    def heard(self, uuid: str, kind: str, data: Mapping[str, Any]) -> None:
        """An event of QEMU's. Called in the monitors' thread: what takes time is left to the pool."""
        guest = self._roster.guests.get(uuid)
        if guest is None:
            return
        before, guest.condition = guest.condition, after_event(guest.condition, kind, data)
        if kind == "BLOCK_IO_ERROR":
            self._io_errors.failed(guest, data)
        elif kind in {"STOP", "RESUME"}:
            self._tell_pause(guest, before)
        elif kind == "SHUTDOWN":
            by_guest, reason = bool(data.get("guest")), str(data.get("reason", ""))
            guest.ending = guest.ending or ("shutdown" if by_guest else "destroyed")
            self._roster.lifecycle(guest.domain, "shutdown", "guest" if by_guest else "host")
            self._roster.context.later(0.0, lambda: self._powered_off(guest, reason, by_guest=by_guest))
        elif kind == "RESET":
            self._roster.context.emit("reboot", guest.domain.name, {"uuid": uuid, "by": "guest" if data.get("guest") else "host"})
        elif kind == "GUEST_PANICKED":
            self._roster.lifecycle(guest.domain, "crashed", "panicked")
            self._roster.context.later(0.0, lambda: self._panicked(guest))
        elif kind == "WATCHDOG":
            self._roster.context.emit("watchdog", guest.domain.name, {"uuid": uuid, "action": str(data.get("action", ""))})

    def _tell_pause(self, guest: Guest, before: Condition) -> None:
        now = guest.condition
        if now != before and not guest.retrying and "starting up" not in {now.reason, before.reason}:
            self._roster.lifecycle(guest.domain, "resumed" if now.state == RUNNING else "suspended", now.reason)

    def settle(self, guest: Guest, status: str) -> None:
        """Bring a guest that QEMU reports as `status` to what its user wants; hold its lock. Raises what QEMU says to that."""
        guest.condition = condition_of(status, guest.condition)
        if status == "prelaunch" and guest.rebooting:
            # It was reset and would have been let run when we died.
            guest.rebooting = False
            self._roster.record(guest)
        wanted = wish(status, paused=guest.paused)
        if wanted is Wish.CONT:
            self._monitors.execute(guest.uuid, "cont")
        elif wanted is Wish.STOP:
            self._monitors.execute(guest.uuid, "stop")
        elif wanted is Wish.TRY_AGAIN:
            self._io_errors.failed(guest, {"action": "stop"})
        elif wanted is Wish.POWERED_OFF:
            self._roster.context.later(0.0, lambda: self._powered_off(guest, "guest-shutdown", by_guest=True))
        elif wanted is Wish.PANICKED:
            self._roster.context.later(0.0, lambda: self._panicked(guest))

    def _powered_off(self, guest: Guest, reason: str, *, by_guest: bool) -> None:
        domain = guest.domain
        after = after_power_off(
            reason, by_guest=by_guest, rebooting=guest.rebooting, on_poweroff=domain.on_poweroff, on_reboot=domain.on_reboot
        )
        self._follow(guest, after, "shutdown")

    def _panicked(self, guest: Guest) -> None:
        self._follow(guest, after_panic(guest.domain.on_crash), "crashed")

    def _follow(self, guest: Guest, after: After, ending: str) -> None:
        """Let a guest that is off, or has crashed, end, come back, or stay."""
        with self._roster.changing(guest.uuid, time.monotonic() + FOLLOW_LIMIT_S):
            if self._roster.guests.get(guest.uuid) is not guest or guest.process.is_gone():
                return
            try:
                if after is After.RESTART:
                    self._restart(guest)
                elif after is After.END:
                    guest.ending = guest.ending or ending
                    self._monitors.execute(guest.uuid, "quit")
                else:
                    guest.ending = ""
            except MonitorSilent:
                # It went before it could say yes; or somebody has stopped it, and then it stays until it is destroyed.
                return

    def _restart(self, guest: Guest) -> None:
        guest.ending = ""
        self._monitors.execute(guest.uuid, "system_reset")
        if guest.rebooting:
            guest.rebooting = False
            self._roster.record(guest)
        self._monitors.execute(guest.uuid, "cont")
