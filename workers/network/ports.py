"""Where guests are plugged in: a tap device on the network's bridge each, durable until it is given back."""

from __future__ import annotations

import threading
import uuid as uuids
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.network import links
from tierhost.workers.network.records import PORTS, port_intent
from tierhost.workers.network.state import PortAct, PortSettlement, settle_port
from tierhost.workers.network.taps import NameTaken, make_tap, tap_mac
from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from tierhost.workers.network.definition import NetworkDefinition
    from tierhost.workers.network.links import Link
    from tierhost.workers.network.registry import Network
    from tierhost.workers.network.workbench import Workbench

NUMBERS_MAX: Final = 65_536
PORTS_MAX: Final = 4096


class Ports:
    """Makes, finds and removes ports. A port belongs to one card of one guest of one driver: asked for again, it is the same."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._context = bench.context
        self._run = bench.context.run
        self._naming = threading.Lock()

    # Questions.

    def of_network(self, uuid: str) -> list[dict[str, Any]]:
        """Every port of a network, by device."""
        return sorted(
            (row for row in self._run.all(PORTS).values() if row["network"] == uuid), key=lambda row: str(row["device"])
        )

    def of_driver(self, driver: str) -> list[dict[str, Any]]:
        """Every port that a driver asked for."""
        return [row for row in self._run.all(PORTS).values() if row["driver"] == driver]

    def count(self) -> int:
        """How many there are."""
        return len(self._run.all(PORTS))

    def is_known(self, uuid: str) -> bool:
        """Whether there is such a port still."""
        return self._run.get(PORTS, uuid) is not None

    def find(self, network: Network, port: object) -> dict[str, Any]:
        """Return a port of a network by its uuid, its device or its card's MAC, or raise."""
        for row in self.of_network(network.uuid):
            if port in (row["uuid"], row["device"], row["mac"]):
                return row
        hint = f"tierhost call network.network_list_all_ports {network.name}"
        raise DriverError(
            f"no network port with matching uuid '{str(port)[:60]}'",
            code=Code.NO_NETWORK_PORT,
            subject=network.subject,
            hint=hint,
        )

    # Making one.

    def make(self, network: Network, driver: str, owner: str, owner_name: str, mac: str) -> dict[str, Any]:
        """Make a port, or bring back the one that this card has. Hold the network's lock."""
        known = next((row for row in self.of_driver(driver) if row["owner"] == owner and row["mac"] == mac), None)
        if known is not None and known["network"] == network.uuid:
            self._ensure(network, known)
            return known
        if known is not None:
            raise DriverError(f"this card is plugged into another network already ({known['device']})", code=Code.RESOURCE_BUSY)
        if len(self._run.all(PORTS)) >= PORTS_MAX:
            raise DriverError(f"there are {PORTS_MAX} ports already", code=Code.OVERFLOW, subject=network.subject)
        row = {
            # The same card's is always the same, on every machine.
            "uuid": str(uuids.uuid5(uuids.UUID(network.uuid), f"{driver} {owner} {mac}")),
            "network": network.uuid,
            "driver": driver,
            "owner": owner,
            "owner_name": owner_name,
            "mac": mac,
            "device": "",
            "bridge": network.definition.bridge.name,
        }
        intent = port_intent(row["uuid"])
        try:
            self._make_device(row)
            self._dress(network.definition, row)
            with self._run.transaction() as t:
                t.put(PORTS, row["uuid"], row)
                t.settle(intent)
        except DriverError:
            self._remove_device(row)
            with self._run.transaction() as t:
                t.abandon(intent)
            raise
        self._context.emit("network-port-created", network.name, {"port": row["uuid"], "device": row["device"], "owner": owner})
        return row

    def _make_device(self, row: dict[str, Any]) -> None:
        """Make the tap under the first name that is free. The intent has the name before there is such a device."""
        with self._naming:
            used = {other["device"] for other in self._run.all(PORTS).values()}
            for number in range(NUMBERS_MAX):
                name = f"vnet{number}"
                if name in used or links.exists(name):
                    continue
                row["device"] = name
                self._run.intend(port_intent(row["uuid"]), {"act": PortAct.MAKE.value, **row})
                try:
                    make_tap(name, tap_mac(row["mac"]))
                except NameTaken:
                    # Somebody was quicker.
                    row["device"] = ""
                    continue
                return
        raise DriverError("no name for a device is free", code=Code.OPERATION_FAILED)

    def _dress(self, definition: NetworkDefinition, row: dict[str, Any]) -> None:
        """Mark a tap, put it on the bridge, let it work. Each may be said twice."""
        device, bridge = row["device"], definition.bridge.name
        lines = [f'link set dev {device} alias "{self._bench.backend.mark(row["uuid"])}"']
        if definition.bridge.mtu:
            lines.append(f"link set dev {device} mtu {definition.bridge.mtu}")
        lines.append(f"link set dev {device} master {bridge}")
        if definition.isolated_ports:
            lines.append(f"link set dev {device} type bridge_slave isolated on")
        lines.append(f"link set dev {device} up")
        links.batch(lines, self._bench.deadline_s(), f"device {device}")

    def _ensure(self, network: Network, row: dict[str, Any]) -> None:
        """Bring a port back to what it is on record as."""
        link = links.look(row["device"], self._bench.deadline_s())
        if link is None:
            make_tap(row["device"], tap_mac(row["mac"]))
        elif not self._is_ours(link, row):
            raise DriverError(
                f"the device {row['device']} is not the one we made: it is left alone",
                code=Code.OPERATION_FAILED,
                subject=network.subject,
                hint=f"remove that device, or shut off the guest {row['owner_name'] or row['owner']} and start it again",
            )
        elif link.master == network.definition.bridge.name and link.up:
            return
        self._dress(network.definition, row)

    def _is_ours(self, link: Link, row: dict[str, Any]) -> bool:
        """By its mark; one that we died over making has its MAC alone."""
        if link.kind != "tun":
            return False
        return link.alias == self._bench.backend.mark(row["uuid"]) if link.alias else link.mac == tap_mac(row["mac"])

    # Removing one.

    def drop(self, row: dict[str, Any], network: str) -> None:
        """Remove a port and its device. Hold the network's lock; `network` is its name."""
        self._run.intend(port_intent(row["uuid"]), {"act": PortAct.DROP.value, **row})
        self._removed(row, network, settled=True)

    def _removed(self, row: dict[str, Any], network: str, *, settled: bool) -> None:
        self._remove_device(row)
        with self._run.transaction() as t:
            t.delete(PORTS, row["uuid"])
            if settled:
                t.settle(port_intent(row["uuid"]))
                t.reply(None)
            else:
                t.abandon(port_intent(row["uuid"]))
        self._context.emit("network-port-deleted", network, {"port": row["uuid"], "device": row["device"], "owner": row["owner"]})

    def _remove_device(self, row: dict[str, Any]) -> None:
        if not row["device"]:
            return
        link = links.look(row["device"], self._bench.deadline_s())
        if link is not None and self._is_ours(link, row):
            links.remove(link, self._bench.deadline_s(), f"device {row['device']}")

    # After a crash.

    def settle_all(self) -> None:
        """Remove what was never acknowledged, and go through with what was to go."""
        rows = self._run.all(PORTS)
        intents = {key: facts for key, facts in self._run.intents().items() if key.startswith("port ")}
        for uuid, row in {**{facts["uuid"]: facts for facts in intents.values()}, **rows}.items():
            intent = intents.get(port_intent(uuid))
            act = PortAct(intent["act"]) if intent else PortAct.NONE
            network = self._bench.networks.get(row["network"])
            if settle_port(recorded=uuid in rows, act=act) is PortSettlement.REMOVE:
                try:
                    self._removed(row, network.name if network else row["network"], settled=act is PortAct.DROP)
                except DriverError as error:
                    self._context.degrade(f"device {row['device']}", f"it was to go, and does not: {error}")

    def plug_in(self, network: Network) -> None:
        """Bring every port of a network back to its bridge."""
        for row in self.of_network(network.uuid):
            subject = f"device {row['device']}"
            try:
                self._ensure(network, row)
                self._context.mend(subject)
            except DriverError as error:
                self._context.degrade(subject, f"the guest {row['owner_name'] or row['owner']} is not plugged in: {error}")
