"""Where guests' cards are plugged in, and what filters them: asked for before a guest starts, given back after its end."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import contextmanager
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.qemu.state import retry_s
from tierhost.workers.runtime import calling
from tierhost.workers.runtime.contract import Code, DriverError, PeerAbsent, TierhostError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierhost.workers.qemu.backend import Supplies
    from tierhost.workers.qemu.domain import Domain, Interface
    from tierhost.workers.qemu.roster import Roster

PLUGGED: Final = "plugged"
"""Run: uuid -> the devices of a guest's cards, by MAC, and which of them have a filter.

Written before the first is asked for, removed when all are given back.
"""

MOMENT_S: Final = 0.5


class Cables:
    """Plugs guests in, and unplugs those that have ended, as often as it takes. Thread-safe; holds no lock while it asks.

    A port is the network driver's, its filter nwfilter's; both stay while any of us is dead. That a guest may have them is
    on record here before there is one, so none is ever left behind. A port has its filter before QEMU has the port, and
    keeps it until QEMU is gone: it is never open in between.
    """

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._run = roster.context.run
        self._services = roster.context.services
        self._changed = threading.Condition()
        self._starting: Counter[str] = Counter()
        self._releasing: set[str] = set()
        self._owed: set[str] = set()

    # Plugging in.

    @contextmanager
    def plugged(self, domain: Domain, supplies: Supplies) -> Iterator[None]:
        """Plug a guest's cards in, and tell `supplies` their devices; on leaving, they are given back unless it runs.

        Raises the other drivers' errors, under the card's name. Never call it with the guest's lock held.
        """
        cards = [(number, card) for number, card in enumerate(domain.interfaces) if card.kind == "network"]
        if not cards:
            yield
            return
        self._begin(domain)
        try:
            self._note(domain.uuid, self._row(domain.uuid))
            for number, card in cards:
                supplies.taps[number] = self._plug(domain, card)
            yield
        except PeerAbsent:
            # Nobody was there to be asked for a first port: nothing is owed.
            if not self.devices(domain.uuid):
                self._note(domain.uuid, None)
            raise
        finally:
            with self._changed:
                self._starting[domain.uuid] -= 1
            self.give_back(domain.uuid)

    def _begin(self, domain: Domain) -> None:
        """Wait until nothing of this guest is being given back: what we ask for now must not go with it."""
        uuid = domain.uuid
        with self._changed:
            left_s = calling.deadline_s() - time.monotonic()
            if not self._changed.wait_for(lambda: uuid not in self._releasing, left_s):
                reason = "its ports are still being given back"
                raise DriverError(reason, code=Code.OPERATION_TIMEOUT, subject=domain.subject, hint="try again later")
            self._starting[uuid] += 1

    def _plug(self, domain: Domain, card: Interface) -> str:
        try:
            port = self._services.network.create_port(card.network, domain.uuid, card.mac, domain.name)
            device = str(port["device"])
            row = self._row(domain.uuid)
            filtered = {*row["filtered"], device} if card.filter else {*row["filtered"]} - {device}
            self._note(domain.uuid, {"devices": {**row["devices"], card.mac: device}, "filtered": sorted(filtered)})
            if card.filter:
                parameters = {name: list(values) for name, values in card.parameters}
                self._services.nwfilter.bind(device, card.mac, card.filter, parameters, domain.uuid, domain.name)
        except TierhostError as error:
            subject = f"{domain.subject} card {card.mac}"
            error.subject = f"{subject}: {error.subject}" if error.subject else subject
            raise
        return device

    def devices(self, uuid: str) -> dict[str, str]:
        """The devices of a guest's cards, by MAC."""
        return dict(self._row(uuid)["devices"])

    def _row(self, uuid: str) -> dict[str, Any]:
        return self._run.get(PLUGGED, uuid) or {"devices": {}, "filtered": []}

    def _note(self, uuid: str, row: dict[str, Any] | None) -> None:
        """Record it as nobody's call: the call in progress may be made again as long as no guest was started by it."""
        if self._run.get(PLUGGED, uuid) != row:
            copy_context().run(self._note_for_nobody, uuid, row)

    def _note_for_nobody(self, uuid: str, row: dict[str, Any] | None) -> None:
        calling.CALL_ID.set(None)
        if row is None:
            self._run.delete(PLUGGED, uuid)
        else:
            self._run.put(PLUGGED, uuid, row)

    # Giving back.

    def give_back_all(self) -> None:
        """After a restart: whoever is on record as plugged in and does not run gives back what he has."""
        for uuid in self._run.all(PLUGGED):
            self.give_back(uuid)

    def give_back(self, uuid: str, attempt: int = 0) -> None:
        """Give a guest's ports back soon, unless it runs by then; again and again until the other drivers have heard it."""
        if self._run.get(PLUGGED, uuid) is None or self._is_needed(uuid):
            return
        with self._changed:
            self._owed.add(uuid)
        self._roster.context.later(retry_s(attempt) if attempt else 0.0, lambda: self._give_back(uuid, attempt))

    def _give_back(self, uuid: str, attempt: int) -> None:
        with self._changed:
            if uuid in self._releasing or self._is_needed(uuid):
                self._settled(uuid)
                return
            self._releasing.add(uuid)
        try:
            for device in self._row(uuid)["filtered"]:
                self._services.nwfilter.unbind(device, uuid)
            self._services.network.release_ports(uuid)
            self._run.delete(PLUGGED, uuid)
        except TierhostError:
            heard = False
        else:
            heard = True
        with self._changed:
            self._releasing.discard(uuid)
            if heard:
                self._settled(uuid)
            self._changed.notify_all()
        if not heard:
            self.give_back(uuid, attempt + 1)

    def _is_needed(self, uuid: str) -> bool:
        return self._starting[uuid] > 0 or uuid in self._roster.guests

    def _settled(self, uuid: str) -> None:
        self._owed.discard(uuid)
        self._changed.notify_all()

    def wait_given_back(self, uuid: str) -> None:
        """Give the network driver a moment to hear it: whoever ends a guest may stop its network with the next call."""
        with self._changed:
            self._changed.wait_for(lambda: uuid not in self._owed, MOMENT_S)
