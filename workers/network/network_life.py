"""How a network becomes active and inactive: intent, act, outcome."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.network.records import ACTIVE, PORTS, active_row, intent_of
from tierhost.workers.network.registry import Network
from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from tierhost.workers.network.definition import NetworkDefinition
    from tierhost.workers.network.restoring import Restoring
    from tierhost.workers.network.workbench import Workbench

UNDO_LIMIT_S: Final = 5.0
"""How long taking back a failed start may take; the time of the start itself may be over."""


class NetworkLife:
    """Starts and stops networks."""

    def __init__(self, bench: Workbench, restoring: Restoring) -> None:
        self._bench = bench
        self._restoring = restoring
        self._context = bench.context
        self._run = bench.context.run

    def start(self, uuid: str, transient: NetworkDefinition | None = None, reply: Any = None) -> Network:
        """Start a network that is defined, or a transient one. Durable when it returns. Raises if it is active already."""
        name = transient.name if transient else self._bench.networks.find(uuid).name
        with self._context.jobs.changing(f"network {name}"):
            self._restoring.settle(uuid)
            network = (self._bench.networks.get(uuid) or Network(None)) if transient else self._bench.networks.find(uuid)
            if network.active:
                raise DriverError("the network is already active", code=Code.OPERATION_INVALID, subject=f"network {name}")
            started = self._start(replace(network, live=transient or network.definition, facts={}), reply)
        self._context.mend(started.subject)
        self._context.emit("network-started", started.name, {"uuid": uuid})
        return started

    def _start(self, network: Network, reply: Any) -> Network:
        definition, intent = network.definition, intent_of(network.uuid)
        deadline_s = self._bench.deadline_s()
        self._bench.backend.check_free(definition, deadline_s)
        self._run.intend(intent, {"act": "start", **active_row(network)})
        try:
            facts, process = self._bench.backend.build(definition, {}, deadline_s, making=True)
            started = replace(network, facts=facts)
            with self._run.transaction() as t:
                t.put(ACTIVE, network.uuid, active_row(started))
                t.settle(intent, reply=reply)
                t.reply(reply)
        except DriverError:
            self._undo(network)
            raise
        self._bench.networks.put(started)
        self._bench.vigil.watch(started.uuid, process, int(facts["index"]))
        return started

    def _undo(self, network: Network) -> None:
        """Leave nothing of a start that is reported as failed."""
        try:
            self._bench.backend.take_down(network.definition, {}, time.monotonic() + UNDO_LIMIT_S, making=True)
            with self._run.transaction() as t:
                t.abandon(intent_of(network.uuid))
        except DriverError as error:
            # The intent stays: the next act on the network, or the next life, settles it by what the world shows then.
            self._context.degrade(network.subject, f"a start failed and could not be undone: {error}")

    def stop(self, name: str) -> Network:
        """Stop an active network. Refused while guests are plugged in."""
        found = self._bench.networks.find_active(name)
        with self._context.jobs.changing(found.subject):
            self._restoring.settle(found.uuid)
            network = self._bench.networks.find_active(found.uuid)
            self._refuse_in_use(network)
            self._run.intend(intent_of(network.uuid), {"act": "stop", **active_row(network)})
            # Nobody is to take for a loss what we take away; from here on the way leads to its end, in the next life too.
            self._bench.vigil.forget(network.uuid)
            try:
                self._bench.backend.take_down(network.definition, network.facts, self._bench.deadline_s())
            except DriverError as error:
                self._context.degrade(network.subject, f"it is half stopped: {error}; the next try goes on with it")
                raise
            stopped = self.stopped(network)
        self._context.mend(stopped.subject)
        self._context.emit("network-stopped", network.name, {"uuid": network.uuid})
        return network

    def stopped(self, network: Network) -> Network:
        """Record that nothing is left of a network in the world. Hold its lock."""
        with self._run.transaction() as t:
            t.delete(ACTIVE, network.uuid)
            t.settle(intent_of(network.uuid))
            t.reply(None)
        stopped = replace(network, live=None, facts={}, defined=network.defined)
        if network.defined is None:
            self._bench.backend.dnsmasqs.forget(network.uuid)
            self._bench.networks.drop(network.uuid)
            return network
        self._bench.networks.put(stopped)
        return stopped

    def _refuse_in_use(self, network: Network) -> None:
        users = sorted(
            {row["owner_name"] or row["owner"] for row in self._run.all(PORTS).values() if row["network"] == network.uuid}
        )
        if users:
            raise DriverError(
                f"guests are plugged in: {', '.join(users[:10])}{' ...' if users[10:] else ''}",
                code=Code.RESOURCE_BUSY,
                subject=network.subject,
                hint="shut them off first; a port that nobody uses: tierhost call network.network_port_delete NETWORK PORT",
            )
