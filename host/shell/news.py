"""Who can be called: kept here, and told to peers and the public once what is more urgent is done."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tierhost.ipc.codec import encode
from tierhost.ipc.messages import PeerDown, PeerUp

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tierhost.host.core import commands
    from tierhost.host.core.events import Event
    from tierhost.host.shell.equipment import Equipment
    from tierhost.host.shell.processes import Body
    from tierhost.ipc.messages import Value


class News:
    """Which lives are up. Peers are the drivers that call each other; nobody else hears of it on his own line."""

    def __init__(self, equipment: Equipment) -> None:
        self._of = equipment
        self.up: dict[str, PeerUp] = {}
        self._untold: list[tuple[Body, PeerUp | PeerDown]] = []

    def tell(self) -> None:
        """Say what was not said yet, to peers first."""
        untold, self._untold = self._untold, []
        for body, message in untold:
            self._of.door.send(body.identity.encode(), encode(message))
        self._of.publisher.flush()

    def announce_up(self, command: commands.AnnounceUp) -> Iterable[Event]:
        """Note that a life can be called."""
        body = self._of.processes.bodies.life(command.driver, command.incarnation)
        if body is None:
            return []
        endpoint = str(self._of.root.worker_socket(command.driver, command.incarnation))
        needs: list[Value] = list(self._of.catalog.drivers[command.driver].needs)
        peer = PeerUp(command.driver, command.incarnation, endpoint, body.pid, needs)
        self.up[command.driver] = peer
        self._tell_peers_of(command.driver, peer)
        details = {"driver": peer.driver, "incarnation": peer.incarnation, "endpoint": endpoint, "pid": body.pid, "needs": needs}
        self._of.publisher.say(time.monotonic(), "host", "peer-up", command.driver, details, command.incarnation)
        return []

    def announce_down(self, command: commands.AnnounceDown) -> Iterable[Event]:
        """Note that it cannot any more."""
        peer = self.up.get(command.driver)
        if peer is not None and peer.incarnation == command.incarnation:
            del self.up[command.driver]
        self._tell_peers_of(command.driver, PeerDown(command.driver, command.incarnation))
        details = {"driver": command.driver, "incarnation": command.incarnation}
        self._of.publisher.say(time.monotonic(), "host", "peer-down", command.driver, details, command.incarnation)
        return []

    def peers_of(self, driver: str) -> list[PeerUp]:
        """Lives that this driver may call or be called by; the others are none of its business."""
        return [peer for name, peer in self.up.items() if self._are_peers(driver, name)]

    def _are_peers(self, one: str, other: str) -> bool:
        drivers = self._of.catalog.drivers
        return one != other and (_calls(drivers[one].needs, other) or _calls(drivers[other].needs, one))

    def _tell_peers_of(self, driver: str, message: PeerUp | PeerDown) -> None:
        for body in self._of.processes.bodies.by_driver.values():
            if body.assigned and not body.exited and self._are_peers(driver, body.driver):
                self._untold.append((body, message))


def _calls(needs: tuple[str, ...], driver: str) -> bool:
    return any(need.partition(".")[0] == driver for need in needs)
