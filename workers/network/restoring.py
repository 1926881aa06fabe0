"""After a crash, or a loss: read the records, look at the world, and make every network again what was acknowledged."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.network.network_xml import parse_network
from tierhost.workers.network.records import ACTIVE, NETWORKS, active_row, intent_of, update_of
from tierhost.workers.network.registry import Network
from tierhost.workers.network.state import Settlement, retry_s, settle_network
from tierhost.workers.runtime.contract import DriverError, TierhostError
from tierhost.workers.runtime.settling import Intent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tierhost.workers.network.definition import NetworkDefinition
    from tierhost.workers.network.workbench import Workbench

RESERVE_S: Final = 5.0
"""What initialize keeps of its time: networks that are not looked at by then are brought back right after."""

STEADY_S: Final = 10.0
"""A dnsmasq that lived so long is started again at once when it dies; one that did not waits longer each time."""


class Restoring:
    """Reads and settles what an earlier life left. Nothing is started here that was not active before."""

    def __init__(self, bench: Workbench, plug_in: Callable[[Network], None]) -> None:
        """`plug_in(network)` brings the network's ports back to its bridge."""
        self._bench = bench
        self._context = bench.context
        self._run = bench.context.run
        self._plug_in = plug_in
        self._losses: dict[str, tuple[int, float]] = {}

    # Initialize.

    def restore(self) -> None:
        """Build the networks from the records and settle each by what the world shows. A bad one costs only itself."""
        for key, facts in self._run.intents().items():
            if key.startswith("update "):
                self._write_update(facts["uuid"], facts)
        intents = {facts["uuid"]: facts for key, facts in self._run.intents().items() if key.startswith("network ")}
        lost = {damage.key for damage in self._run.damage() if damage.table == ACTIVE}
        for uuid in sorted({*self._context.persistent.all(NETWORKS), *self._run.all(ACTIVE), *intents}):
            network = self._picture(uuid, intents.get(uuid), lost_record=uuid in lost)
            if network is None:
                continue
            if network.live or network.defined:
                self._bench.networks.put(network)
            try:
                self._settle(network, intents.get(uuid))
            except DriverError as error:
                self._bring_back_later(uuid, 1, f"it cannot be brought back: {error}")
        if not self._context.persistent.damage():
            self._bench.backend.dnsmasqs.sweep({network.uuid for network in self._bench.networks.all()})

    def _picture(self, uuid: str, intent: Mapping[str, Any] | None, *, lost_record: bool) -> Network | None:
        """Put together what is recorded of a network; None if nothing of it can be read."""
        row, record = self._context.persistent.get(NETWORKS, uuid), self._run.get(ACTIVE, uuid)
        defined, live = self._parse(uuid, row), self._parse(uuid, record)
        if lost_record and live is None:
            # The record of an active network was there, and both files have lost its contents: that it was there says enough.
            live = defined or self._parse(uuid, intent)
        if live is None and defined is None and self._parse(uuid, intent) is None:
            return None
        return Network(defined, live, autostart=bool(row and row["autostart"]), facts=record["facts"] if record else {})

    def _parse(self, uuid: str, row: Mapping[str, Any] | None) -> NetworkDefinition | None:
        if row is None:
            return None
        try:
            return parse_network(row["xml"])
        except DriverError as error:
            self._context.degrade(f"network {row.get('name', uuid)}", f"its definition cannot be read: {error}")
            return None

    # One network.

    def _write_update(self, uuid: str, facts: Mapping[str, Any]) -> None:
        """Go through with an update that was under way; that dnsmasq read something else is seen when it is looked at."""
        row, record = self._context.persistent.get(NETWORKS, uuid), self._run.get(ACTIVE, uuid)
        if facts["then"] and row is not None:
            self._context.persistent.put(NETWORKS, uuid, {**row, "xml": facts["then"]})
        with self._run.transaction() as t:
            if facts["now"] and record is not None:
                t.put(ACTIVE, uuid, {**record, "xml": facts["now"]})
            t.settle(update_of(uuid))

    def settle(self, uuid: str) -> None:
        """Settle what an earlier act on a network left open. The caller has the network's lock."""
        intent = self._run.intents().get(intent_of(uuid))
        if intent is not None:
            self._settle(self._bench.networks.get(uuid) or Network(None), intent)

    def _settle(self, network: Network, intent: Mapping[str, Any] | None) -> None:
        definition = network.live or (self._parse(intent["uuid"], intent) if intent else None) or network.definition
        facts = network.facts or (intent or {}).get("facts", {})
        alive = replace(network, live=definition, facts=facts)
        act = Intent(intent["act"]) if intent else Intent.NONE
        deadline_s = self._bench.deadline_s()
        seen = self._bench.backend.seen(definition, facts, deadline_s, making=act is Intent.START)
        settlement = settle_network(active=network.active, seen=seen, intent=act)
        match settlement:
            case Settlement.STAY_INACTIVE:
                return
            case Settlement.KEEP | Settlement.ADOPT | Settlement.KEEP_DEGRADED:
                self._keep(alive, intent)
            case Settlement.UNDO_START | Settlement.FINISH_STOP:
                self._bench.backend.take_down(definition, facts, deadline_s, making=settlement is Settlement.UNDO_START)
                self._gone(network, definition, happened=settlement is Settlement.FINISH_STOP)

    def _keep(self, alive: Network, intent: Mapping[str, Any] | None) -> None:
        if self._run.get(ACTIVE, alive.uuid) is None:
            self._run.put(ACTIVE, alive.uuid, active_row(alive))
            self._context.emit("network-record-restored", alive.name, {"uuid": alive.uuid})
        if intent is not None:
            with self._run.transaction() as t:
                t.abandon(intent_of(alive.uuid))
        self._bench.networks.put(alive)
        if self._bench.left_s() < RESERVE_S:
            self._bring_back_later(alive.uuid, 0, "not looked at yet: initialize had no time left")
            return
        try:
            self.bring_back(alive)
        except DriverError as error:
            self._bring_back_later(alive.uuid, 1, f"it is active, and not whole: {error}")

    def _gone(self, network: Network, definition: NetworkDefinition, *, happened: bool) -> None:
        uuid = definition.uuid
        with self._run.transaction() as t:
            t.delete(ACTIVE, uuid)
            if happened:
                t.settle(intent_of(uuid))
            else:
                t.abandon(intent_of(uuid))
        if network.defined is None:
            self._bench.backend.dnsmasqs.forget(uuid)
            self._bench.networks.drop(uuid)
        else:
            self._bench.networks.put(replace(network, live=None, facts={}))
        self._context.emit(
            "network-settled", definition.name, {"uuid": uuid, "act": "stop" if happened else "start", "happened": happened}
        )

    # Bringing back what is active by record and not whole in the world.

    def bring_back(self, network: Network) -> Network:
        """Make what is missing of an active network, plug its ports in, watch over it. Hold its lock."""
        facts, process = self._bench.backend.build(network.definition, network.facts, self._bench.deadline_s())
        whole = replace(network, facts=facts)
        if facts != dict(network.facts):
            self._run.put(ACTIVE, network.uuid, active_row(whole))
            if network.facts:
                self._context.emit("network-brought-back", network.name, {"uuid": network.uuid})
        self._bench.networks.put(whole)
        self._bench.vigil.watch(network.uuid, process, int(facts["index"]))
        self._plug_in(whole)
        self._context.mend(network.subject)
        return whole

    def look_again(self, uuid: str) -> None:
        """Look at an active network, and bring back what is missing of it, now or soon."""
        self._try_again(uuid, 1)

    def lost(self, uuid: str, what: str) -> None:
        """The vigil saw that something of a network is gone: tell, and bring it back. Called in the vigil's thread."""
        network = self._bench.networks.get(uuid)
        if network is None or not network.active:
            return
        now_s = time.monotonic()
        times, last_s = self._losses.get(uuid, (0, 0.0))
        times = times + 1 if now_s - last_s < STEADY_S else 0
        self._losses[uuid] = times, now_s
        self._context.emit("network-lost", network.name, {"uuid": uuid, "what": what})
        self._bring_back_later(uuid, times, f"its {what} is gone; it is being brought back")

    def stopped(self, uuid: str, halted: bool) -> None:  # the vigil's callback
        """Somebody has stopped a network's dnsmasq (SIGSTOP), or lets it go on. Called in the vigil's thread."""
        network = self._bench.networks.get(uuid)
        if network is None or not network.active:
            return
        self._context.emit("network-server-stopped" if halted else "network-server-goes-on", network.name, {"uuid": uuid})
        if halted:
            pid = network.facts.get("pid")
            self._context.degrade(
                network.subject, f"its dnsmasq is stopped and answers nobody: kill -CONT {pid}, or kill -9 {pid}"
            )
        else:
            self._context.mend(network.subject)

    def _bring_back_later(self, uuid: str, attempt: int, trouble: str) -> None:
        network = self._bench.networks.get(uuid)
        if network is not None:
            self._context.degrade(network.subject, trouble)
            self._context.later(retry_s(attempt), lambda: self._try_again(uuid, attempt + 1))

    def _try_again(self, uuid: str, attempt: int) -> None:
        network = self._bench.networks.get(uuid)
        if network is None:
            return
        try:
            with self._context.jobs.changing(network.subject):
                self.settle(uuid)
                found = self._bench.networks.get(uuid)
                if found is not None and found.active:
                    self.bring_back(found)
        except TierhostError as error:
            self._bring_back_later(uuid, attempt, f"it is active, and not whole: {error}")
