"""Who can be called: kept here, and told to peers and the public once what is more urgent is done."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tierhost.ipc.codec import encode
from tierhost.ipc.messages import PeerDown, PeerUp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tierhost.host.catalog import Manifest
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
        self._peers = _peers(equipment.catalog.drivers)

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
        return [self.up[name] for name in self._peers[driver] if name in self.up]

    def _tell_peers_of(self, driver: str, message: PeerUp | PeerDown) -> None:
        for name in self._peers[driver]:
            body = self._of.processes.bodies.by_driver.get(name)
            if body is not None and body.assigned and not body.exited:
                self._untold.append((body, message))


def _peers(drivers: Mapping[str, Manifest]) -> dict[str, list[str]]:
    """Who calls whom, both ways, by what the manifests need."""
    found: dict[str, list[str]] = {name: [] for name in drivers}
    for name, manifest in drivers.items():
        for other in dict.fromkeys(need.partition(".")[0] for need in manifest.needs):
            if other in found and other != name:
                found[name].append(other)
                found[other].append(name)
    return {name: list(dict.fromkeys(peers)) for name, peers in found.items()}
