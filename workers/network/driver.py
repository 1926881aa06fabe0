"""The network driver: libvirt's verbs, and the services for drivers whose guests are plugged in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.network.asking import NetworkQuestions
from tierhost.workers.network.backend import why_not
from tierhost.workers.network.changing import NetworkChanges
from tierhost.workers.runtime.arguments import check_text
from tierhost.workers.runtime.contract import Code, DriverError, InhibitCallback, InitResult, TierhostError, service

if TYPE_CHECKING:
    from tierhost.workers.network.registry import Network

MAC: Final = re.compile(r"[0-9a-f][02468ace](:[0-9a-f]{2}){5}\Z", re.ASCII)
OWNER_CHARS_MAX: Final = 255


class NetworkDriver(NetworkChanges, NetworkQuestions):
    """Knows networks, which of them are active and who is plugged in; brings exactly that back after a crash."""

    def state_initialize(self, *, privileged: bool, inhibit: InhibitCallback) -> InitResult:
        """Read the records, look at the world, settle what was under way. Starts nothing that was not active."""
        self.make_parts()
        reason = why_not()
        if reason:
            return self.skip(reason)
        self.restoring.restore()
        self.ports.settle_all()
        return InitResult.COMPLETE

    def state_auto_start(self) -> None:
        """Start the networks that are marked for it. One that fails is shown as degraded; the others start."""
        for network in self.bench.networks.all():
            if network.autostart and not network.active:
                self._auto_start(network)

    def _auto_start(self, network: Network) -> None:
        try:
            self.life.start(network.uuid)
        except TierhostError as error:
            self.context.degrade(network.subject, f"autostart failed: {error}")

    def state_reload(self) -> None:
        """Look at every active network again, and make what is missing of it."""
        for network in self.bench.networks.all():
            if network.active:
                self.restoring.look_again(network.uuid)

    def state_cleanup(self) -> None:
        """Let go of the networks. They work on, and their dnsmasq with them."""
        if "bench" in self.__dict__:
            self.bench.vigil.close()

    def objects(self) -> dict[str, dict[str, int]]:
        """Count the networks, and the ports of guests."""
        if "bench" not in self.__dict__:
            return {}
        networks = self.bench.networks.all()
        active = sum(1 for network in networks if network.active)
        return {"networks": {"active": active, "inactive": len(networks) - active}, "ports": {"plugged in": self.ports.count()}}

    # For drivers with guests. Said twice, each of these has the same effect as once: a caller may repeat them freely.

    @service()
    def create_port(self, network: str, owner: str, mac: str, owner_name: str = "") -> dict[str, Any]:
        """Plug the card `mac` of the guest `owner` (its uuid) into an active network; returns the device to hand to it.

        The device is a tap on the network's bridge that stays until `release_port`. Nothing passes through it before
        somebody opens it, which leaves time to bind a filter to it.
        """
        who = self._driver()
        for text in (check_text(owner, "the owner"), owner_name):
            if not isinstance(text, str) or len(text) > OWNER_CHARS_MAX or not (text.isprintable()):
                raise DriverError(f"the owner is {str(text)[:40]!r}, expected a short text", code=Code.INVALID_ARG)
        if not MAC.match(check_text(mac, "the MAC").lower()):
            raise DriverError(f"{mac[:40]!r} is not the MAC address of a card", code=Code.INVALID_ARG)
        with self._changing(network) as found:
            active = self.bench.networks.find_active(found.uuid)
            row = self.ports.make(active, who, owner, owner_name, mac.lower())
        return {
            "port": row["uuid"],
            "device": row["device"],
            "bridge": row["bridge"],
            "network": active.name,
            "mtu": active.definition.bridge.mtu,
        }

    @service()
    def release_port(self, port: str) -> None:
        """Unplug a card: its guest is gone. A port that is gone already is as good."""
        row = next((row for row in self.ports.of_driver(self._driver()) if row["uuid"] == port), None)
        if row is not None:
            self._release(row)

    @service(changes=True)
    def release_ports(self, owner: str) -> dict[str, Any]:
        """Unplug every card of a guest of the calling driver: it is gone. Returns the devices that went."""
        check_text(owner, "the owner")
        released = [row for row in self.ports.of_driver(self._driver()) if row["owner"] == owner]
        for row in released:
            self._release(row)
        return {"released": [row["device"] for row in released]}

    def _release(self, row: dict[str, Any]) -> None:
        network = self.bench.networks.get(row["network"])
        name = network.name if network is not None else row["network"]
        with self.context.jobs.changing(f"network {name}"):
            if self.ports.is_known(row["uuid"]):
                self.ports.drop(row, name)

    def _driver(self) -> str:
        caller = self.context.caller()
        return caller.driver if caller is not None else ""
