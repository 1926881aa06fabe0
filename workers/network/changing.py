"""The network calls of libvirt that change something."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tierhost.workers.network.base import NetworkBase
from tierhost.workers.network.flags import AFFECT_CONFIG, AFFECT_LIVE
from tierhost.workers.network.network_xml import parse_network
from tierhost.workers.network.records import ACTIVE, NETWORKS, active_row, defined_row, update_of
from tierhost.workers.network.registry import Network
from tierhost.workers.network.updating import updated
from tierhost.workers.runtime.arguments import check_flags, check_text, check_whole
from tierhost.workers.runtime.contract import Code, DriverError, change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierhost.workers.network.definition import NetworkDefinition

COMMAND_LAST = 4
SECTION_LAST = 12
INDEX_MAX = 1024


class NetworkChanges(NetworkBase):
    """Define, start, stop, update: one change at a time per network, and a stuck network holds up only itself."""

    @change()
    def network_define_xml(self, xml: str, flags: int = 0) -> dict[str, Any]:
        """Define a network, or change a definition; an active network keeps what it was started with until it is stopped.

        Returns its name and uuid, and which elements nobody read: they are kept, and have no effect.
        """
        check_flags(flags)
        definition = self.parse(xml)
        told = self.told(definition)
        with self.context.jobs.changing(definition.subject), self.bench.networks.claiming(definition):
            old = self.bench.networks.get(definition.uuid)
            network = replace(old, defined=definition) if old else Network(definition)
            with self.context.persistent.transaction() as t:
                t.put(NETWORKS, network.uuid, defined_row(network))
                t.reply(told)
            self.bench.networks.put(network)
        self.context.emit("network-defined", network.name, {"uuid": network.uuid})
        return told

    @change()
    def network_create_xml(self, xml: str, flags: int = 0) -> dict[str, Any]:
        """Start a network that is forgotten when it is stopped or the machine reboots; after a crash it is active again."""
        check_flags(flags)
        definition = self.parse(xml)
        told = self.told(definition)
        with self.bench.networks.claiming(definition):
            self.life.start(definition.uuid, definition, told)
        return told

    @change()
    def network_create(self, network: str) -> None:
        """Start a defined network; from now on it is active after every crash, whatever its autostart flag says."""
        self.life.start(self.bench.networks.find(network).uuid)

    @change()
    def network_destroy(self, network: str) -> None:
        """Stop a network: its bridge, its rules and its dnsmasq go. Refused while guests are plugged in."""
        self.life.stop(network)

    @change()
    def network_undefine(self, network: str) -> None:
        """Forget a definition; an active network runs on until it is stopped, and is forgotten then."""
        with self._changing(network) as found:
            if found.defined is None:
                raise DriverError("a transient network has no definition", code=Code.OPERATION_INVALID, subject=found.subject)
            with self.context.persistent.transaction() as t:
                t.delete(NETWORKS, found.uuid)
                t.reply(None)
            if found.active:
                self.bench.networks.put(replace(found, defined=None, autostart=False))
            else:
                self.bench.backend.dnsmasqs.forget(found.uuid)
                self.bench.networks.drop(found.uuid)
                self.context.mend(found.subject)
        self.context.emit("network-undefined", found.name, {"uuid": found.uuid})

    @change()
    def network_set_autostart(self, network: str, autostart: bool) -> None:
        """Say whether a network is to be started when the machine boots."""
        if not isinstance(autostart, int) or autostart not in {0, 1}:
            raise DriverError(f"autostart is {str(autostart)[:40]!r}, expected true or false", code=Code.INVALID_ARG)
        with self._changing(network) as found:
            if found.defined is None:
                raise DriverError("a transient network cannot be autostarted", code=Code.OPERATION_INVALID, subject=found.subject)
            changed = replace(found, autostart=bool(autostart))
            with self.context.persistent.transaction() as t:
                t.put(NETWORKS, changed.uuid, defined_row(changed))
                t.reply(None)
            self.bench.networks.put(changed)

    @change()
    def network_update(self, network: str, command: int, section: int, parent_index: int, xml: str, flags: int = 0) -> None:
        """Add (3 last, 4 first), change (1) or remove (2) one DHCP host (section 4) or DNS host (10); 1 live, 2 definition.

        With flags 0 whatever the network is now. A live change starts its dnsmasq again, with its leases.
        """
        check_flags(flags, AFFECT_LIVE | AFFECT_CONFIG)
        check_whole(command, "command", 1, COMMAND_LAST)
        check_whole(section, "section", 0, SECTION_LAST)
        check_whole(parent_index, "parent index", -1, INDEX_MAX)
        check_text(xml, "the element")
        with self._changing(network) as found:
            live = bool(flags & AFFECT_LIVE) or (flags == 0 and found.active)
            config = bool(flags & AFFECT_CONFIG) or (flags == 0 and not found.active)
            if live and found.live is None:
                raise DriverError("the network is not active", code=Code.OPERATION_INVALID, subject=found.subject)
            if config and found.defined is None:
                raise DriverError("a transient network has no definition", code=Code.OPERATION_INVALID, subject=found.subject)
            # Both are checked before either is changed.
            now, then = (
                parse_network(updated(one.xml, command, section, parent_index, xml)) if wanted and one is not None else None
                for wanted, one in ((live, found.live), (config, found.defined))
            )
            self._update(found, now, then)
        self.context.emit("network-updated", found.name, {"uuid": found.uuid})

    def _update(self, before: Network, now: NetworkDefinition | None, then: NetworkDefinition | None) -> None:
        """Change what is active, the definition, or both. If we die over it, the next life goes through with it."""
        run, intent = self.context.run, update_of(before.uuid)
        run.intend(intent, {"uuid": before.uuid, "now": now.xml if now else "", "then": then.xml if then else ""})
        try:
            if now is not None:
                self.restoring.bring_back(replace(before, live=now))
            if then is not None:
                changed = replace(self.bench.networks.find(before.uuid), defined=then)
                self.context.persistent.put(NETWORKS, changed.uuid, defined_row(changed))
                self.bench.networks.put(changed)
        except DriverError:
            with run.transaction() as t:
                t.abandon(intent)
            if now is not None:
                # Back to what it was, now or soon.
                self.bench.networks.put(before)
                self.restoring.look_again(before.uuid)
            raise
        with run.transaction() as t:
            if now is not None:
                t.put(ACTIVE, before.uuid, active_row(self.bench.networks.find(before.uuid)))
            t.settle(intent)
            t.reply(None)

    @change()
    def network_port_delete(self, network: str, port: str, flags: int = 0) -> None:
        """Remove a port that nobody uses any more, by its uuid, its device or its card's MAC."""
        check_flags(flags)
        with self._changing(network) as found:
            self.ports.drop(self.ports.find(found, port), found.name)

    @contextmanager
    def _changing(self, name: str) -> Iterator[Network]:
        """Have a network to oneself, as it is once one has it, with nothing left under way."""
        with self.context.jobs.changing(self.bench.networks.find(name).subject):
            self.restoring.settle(self.bench.networks.find(name).uuid)
            yield self.bench.networks.find(name)
