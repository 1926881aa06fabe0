"""Guests whose disk fails: they stop, are shown as such, and run on by themselves when their storage is back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.qemu.state import IO_ERROR, RUNNING, condition_of, retry_s
from tierhost.workers.runtime.contract import TierhostError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.workers.qemu.monitor import Monitors
    from tierhost.workers.qemu.roster import Guest, Roster

SETTLED_S: Final = 0.3
"""How long a guest must run after an I/O error until it counts as running again."""

CALM_S: Final = 30.0
"""An I/O error after so long a time is a new one, tried again soon."""


class IoErrors:
    """One try after the other, for each guest that stopped for an I/O error, unless its user wants it paused."""

    def __init__(self, roster: Roster, monitors: Monitors) -> None:
        self._roster = roster
        self._monitors = monitors

    def failed(self, guest: Guest, data: Mapping[str, Any]) -> None:
        """QEMU says BLOCK_IO_ERROR; or it was found stopped for one."""
        what = "no space left" if data.get("nospace") else str(data.get("reason") or "I/O error")
        disk = str(data.get("node-name") or data.get("device") or "").removesuffix("-file").removeprefix("disk-")
        action = str(data.get("action", ""))
        if not guest.retrying:
            details = {"uuid": guest.uuid, "disk": disk, "reason": what, "action": action}
            self._roster.context.emit("io-error", guest.domain.name, details)
        if action == "stop":
            guest.condition = IO_ERROR
            self._roster.degrade(guest, f"disk {disk}: {what}; it goes on when its storage is back")
            self._begin(guest)

    def _begin(self, guest: Guest) -> None:
        if guest.retrying or guest.paused:
            return
        now_s = time.monotonic()
        guest.retries = 0 if now_s - guest.failed_s > CALM_S else guest.retries
        guest.retrying, guest.failed_s = True, now_s
        self._roster.context.later(retry_s(guest.retries), lambda: self._go_on(guest))

    def _go_on(self, guest: Guest) -> None:
        """One `cont` may come too early (a server that has just been started again), so it is repeated."""
        if self._roster.guests.get(guest.uuid) is not guest or guest.paused or guest.process.is_gone():
            guest.retrying = False
            return
        guest.retries += 1
        try:
            with self._roster.changing(guest.uuid):
                if self._status(guest) == "io-error":
                    self._monitors.execute(guest.uuid, "cont")
        except TierhostError:
            self._roster.context.later(retry_s(guest.retries), lambda: self._go_on(guest))
            return
        self._roster.context.later(SETTLED_S, lambda: self._went_on(guest))

    def _went_on(self, guest: Guest) -> None:
        """See whether it stayed so: it was told to go on a moment ago."""
        guest.failed_s = time.monotonic()
        try:
            status = self._status(guest)
        except TierhostError:
            status = "io-error"
        if status == "io-error":
            self._roster.context.later(retry_s(guest.retries), lambda: self._go_on(guest))
            return
        guest.retrying = False
        guest.condition = condition_of(status, guest.condition)
        self._roster.mend(guest)
        if guest.condition.state == RUNNING:
            self._roster.lifecycle(guest.domain, "resumed", "its storage is back")

    def _status(self, guest: Guest) -> str:
        status: str = self._monitors.execute(guest.uuid, "query-status")["status"]
        return status
