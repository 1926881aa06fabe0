"""The end of a guest: how its process is ended, and what is left to do when it is dead, whoever noticed."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Final

from tierhost.workers.qemu.roster import ENDED, GUESTS
from tierhost.workers.qemu.state import retry_s
from tierhost.workers.runtime.contract import Code, DriverError, TierhostError

if TYPE_CHECKING:
    from tierhost.workers.qemu.backend import Backend
    from tierhost.workers.qemu.cables import Cables
    from tierhost.workers.qemu.monitor import Monitors
    from tierhost.workers.qemu.roster import Guest, Roster
    from tierhost.workers.qemu.supply import Supply

POLITE_S: Final = 2.0
"""How long a QEMU has to write its caches back when it is asked to end."""

KILL_LIMIT_S: Final = 5.0
NOT_ENDED: Final = "the kernel does not let its process go"


class Ending:
    """Ends guests. One of them may be ended by its user, by itself, by its host and by us at once: it ends once."""

    def __init__(self, roster: Roster, backend: Backend, monitors: Monitors, supply: Supply, cables: Cables) -> None:
        self._roster = roster
        self._backend = backend
        self._monitors = monitors
        self._supply = supply
        self._cables = cables

    def end(self, guest: Guest, why: str, *, politely: bool = False, answer: bool = True) -> None:
        """End a guest's process and all that is on record of it; hold its lock. Raises OPERATION_TIMEOUT.

        The intent comes first: if we die in between, the next life goes through with it (`go_through`), and the call is
        answered. `answer`: that it has ended is the whole answer to the call in progress.
        """
        intent = f"end {guest.uuid}"
        self._roster.context.run.intend(intent, {"uuid": guest.uuid, "why": why})
        try:
            self._stop_process(guest, why, politely=politely)
        except DriverError:
            with self._roster.context.run.transaction() as t:
                t.abandon(intent)
            raise
        self.ended(guest, answer=answer)

    def go_through(self, guest: Guest, why: str) -> None:
        """End a guest that an earlier life was about to end. Raises OPERATION_TIMEOUT."""
        self._stop_process(guest, why, politely=False)
        self.ended(guest)

    def _stop_process(self, guest: Guest, why: str, *, politely: bool) -> None:
        guest.ending = guest.ending or why
        if not guest.process.is_stopped():
            guest.process.signal(signal.SIGTERM)
            if guest.process.is_gone(POLITE_S):
                return
        if politely:
            hint = "without flag 1 it is ended by force"
            raise DriverError("it did not end in time", code=Code.OPERATION_TIMEOUT, subject=guest.subject, hint=hint)
        if not guest.process.kill(time.monotonic() + KILL_LIMIT_S):
            raise DriverError(NOT_ENDED, code=Code.OPERATION_TIMEOUT, subject=guest.subject, hint="does its storage hang?")

    def ended_soon(self, guest: Guest) -> None:
        """A guest's process is dead: see to the rest in a thread of the pool."""
        self._roster.context.later(0.0, lambda: self.ended_or_again(guest, 0))

    def ended_or_again(self, guest: Guest, attempt: int) -> None:
        """`ended`, and again until it can be recorded. Meanwhile the guest is shown as it is: shut off."""
        try:
            self.ended(guest)
        except TierhostError as error:
            self._roster.degrade(guest, f"it has ended, which cannot be recorded: {error}")
            self._roster.context.later(retry_s(attempt), lambda: self.ended_or_again(guest, attempt + 1))

    def ended(self, guest: Guest, intent: str = "", *, answer: bool = False) -> None:
        """Record that a guest whose process is dead is shut off. Runs once, whoever noticed first. Raises StoreFailed.

        `intent` is settled with it: what was to be done has led to this end.
        """
        uuid, roster = guest.uuid, self._roster
        with roster.changing(uuid):
            if roster.guests.get(uuid) is not guest:
                return
            # Takes its last word, too, and leaves no zombie.
            guest.process.is_gone(KILL_LIMIT_S)
            why = guest.ending or "crashed"
            self.record(uuid, why, intent, answer=answer)
            roster.remove(guest)
            self._monitors.forget(uuid)
            self._backend.sweep(uuid, entirely=uuid not in roster.domains)
        roster.mend(guest)
        detail = f"{why} ({guest.process.how})" if why == "crashed" and guest.process.how else why
        roster.lifecycle(guest.domain, "stopped", detail)
        if guest.domain.volumes:
            self._supply.tell_storage()
        self._cables.give_back(uuid)

    def record(self, uuid: str, why: str, intent: str = "", *, answer: bool = False) -> None:
        """Write down that a guest has ended, and answer whoever asked for it, now or in an earlier life."""
        with self._roster.context.run.transaction() as t:
            t.delete(GUESTS, uuid)
            if uuid in self._roster.domains:
                t.put(ENDED, uuid, {"reason": why})
            for key in {f"end {uuid}", intent} & self._roster.context.run.intents().keys():
                t.settle(key)
            if answer:
                t.reply(None)
