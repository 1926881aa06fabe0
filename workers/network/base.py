"""What the driver's groups of methods share: the parts that initialize makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierhost.workers.network.links import free_bridge_name
from tierhost.workers.network.network_life import NetworkLife
from tierhost.workers.network.network_xml import completed, parse_network
from tierhost.workers.network.ports import Ports
from tierhost.workers.network.restoring import Restoring
from tierhost.workers.network.vigil import Vigil
from tierhost.workers.network.workbench import Workbench
from tierhost.workers.runtime.arguments import check_text
from tierhost.workers.runtime.contract import StateDriver

if TYPE_CHECKING:
    from tierhost.workers.network.definition import NetworkDefinition


class NetworkBase(StateDriver):
    """Has the parts, and nothing to call."""

    bench: Workbench
    ports: Ports
    restoring: Restoring
    life: NetworkLife

    def make_parts(self) -> None:
        """Make every part anew; nothing is looked at yet."""
        self.bench = Workbench(self.context)
        self.ports = Ports(self.bench)
        self.restoring = Restoring(self.bench, self.ports.plug_in)
        self.bench.vigil = Vigil(self.restoring.lost, self.restoring.stopped)
        self.life = NetworkLife(self.bench, self.restoring)

    def parse(self, xml: object) -> NetworkDefinition:
        """Parse a network's XML, and find a name for its bridge if it has none: the one it had before, or a free one."""
        definition = parse_network(check_text(xml, "the definition"))
        if definition.bridge.name:
            return definition
        known = self.bench.networks.get(definition.uuid)
        if known is not None and known.defined is not None and known.defined.makes_bridge:
            return completed(definition, known.defined.bridge.name)
        return completed(definition, free_bridge_name(self.bench.networks.bridges()))

    @staticmethod
    def told(definition: NetworkDefinition) -> dict[str, Any]:
        """What whoever gave us a definition is answered."""
        return {"name": definition.name, "uuid": definition.uuid, "unread": list(definition.unread)}
