"""Guests that are to run as soon as they can: what holds one up (a pool, a secret) may come later, so it is tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tierhost.workers.qemu.lanes import side_by_side
from tierhost.workers.qemu.roster import WAITING
from tierhost.workers.qemu.state import retry_s
from tierhost.workers.runtime.contract import TierhostError

if TYPE_CHECKING:
    from tierhost.workers.qemu.roster import Roster
    from tierhost.workers.qemu.saving import Saving

PATIENCE_S: Final = 60.0
"""How long the tiers above wait for the first tries; what takes longer goes on behind the scenes."""


class Autostart:
    """Starts what is to run, now and again. That a guest waits is on record: the next life goes on with it."""

    def __init__(self, roster: Roster, saving: Saving) -> None:
        self._roster = roster
        self._saving = saving
        self._run = roster.context.run

    def start_all(self) -> None:
        """Start everything that is marked for it, a few at a time, and return when each was tried once."""
        uuids = [uuid for uuid in sorted(self._roster.autostart) if not self._roster.is_running(uuid)]
        with self._run.transaction() as t:
            for uuid in uuids:
                t.put(WAITING, uuid, {})
        side_by_side(self._roster.context, uuids, lambda uuid: self.attempt(uuid, 0), PATIENCE_S)

    def go_on(self) -> None:
        """Go on with what an earlier life of this driver was to start."""
        for uuid in self._run.all(WAITING):
            self._later(uuid, 0)

    def give_up(self, uuid: str) -> bool:
        """Whoever ends or forgets a guest does not want it started in a moment. Returns whether it did wait."""
        if self._run.get(WAITING, uuid) is None:
            return False
        self._run.delete(WAITING, uuid)
        return True

    def attempt(self, uuid: str, number: int) -> None:
        """Try to start a guest that waits; if it cannot start, show why, and try again later."""
        if self._run.get(WAITING, uuid) is None:
            return
        domain = self._roster.domains.get(uuid)
        if domain is None or self._roster.is_running(uuid):
            self.give_up(uuid)
            return
        try:
            self._saving.start_or_restore(domain)
        except TierhostError as error:
            if self._run.get(WAITING, uuid) is not None and not self._roster.is_running(uuid):
                self._roster.context.degrade(domain.subject, f"it waits to be started: {error}")
                self._later(uuid, number)
                return
        self.give_up(uuid)

    def _later(self, uuid: str, number: int) -> None:
        self._roster.context.later(retry_s(number), lambda: self.attempt(uuid, number + 1))
