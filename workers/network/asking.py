"""The network calls of libvirt that only ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lxml import etree

from tierhost.workers.network.base import NetworkBase
from tierhost.workers.network.dnsmasq_config import parse_leases
from tierhost.workers.network.flags import XML_INACTIVE
from tierhost.workers.network.network_xml import describe
from tierhost.workers.runtime.arguments import LIST_FLAGS, check_flags, check_text, is_listed
from tierhost.workers.runtime.contract import Code, DriverError, read

if TYPE_CHECKING:
    from tierhost.workers.network.registry import Network


class NetworkQuestions(NetworkBase):
    """Never queued behind a change, and never waiting for a dnsmasq: leases are read from its file."""

    @read(inline=True)
    def network_list(self, flags: int = 0) -> list[dict[str, Any]]:
        """List networks: all of them, or those that libvirt's flags select (1 inactive, 2 active, 4 persistent, ...)."""
        check_flags(flags, LIST_FLAGS)
        return [_shown(network) for network in self.bench.networks.all() if _selected(network, flags)]

    @read(inline=True)
    def network_lookup_by_name(self, name: str) -> dict[str, Any]:
        """Show the network of this name."""
        network = self.bench.networks.find(name)
        if network.name != name:
            raise DriverError(f"no network with matching name '{name[:80]}'", code=Code.NO_NETWORK)
        return _shown(network)

    @read(inline=True)
    def network_lookup_by_uuid(self, uuid: str) -> dict[str, Any]:
        """Show the network of this uuid."""
        return _shown(self.bench.networks.find(uuid))

    @read(inline=True)
    def network_is_active(self, network: str) -> bool:
        """Say whether the network was started and not stopped since."""
        return self.bench.networks.find(network).active

    @read(inline=True)
    def network_is_persistent(self, network: str) -> bool:
        """Say whether the network has a definition that stays."""
        return self.bench.networks.find(network).defined is not None

    @read(inline=True)
    def network_get_autostart(self, network: str) -> bool:
        """Say whether the network starts when the machine boots."""
        return self.bench.networks.find(network).autostart

    @read(inline=True)
    def network_get_bridge_name(self, network: str) -> str:
        """Name the network's bridge."""
        return self.bench.networks.find(network).definition.bridge.name

    @read(inline=True)
    def network_get_xml_desc(self, network: str, flags: int = 0) -> str:
        """Return the XML: of what is active; with flag 1 or if it is not active, of the definition."""
        check_flags(flags, XML_INACTIVE)
        found = self.bench.networks.find(network)
        if flags & XML_INACTIVE and found.defined is not None:
            return describe(found.defined)
        return describe(found.definition, len(self.ports.of_network(found.uuid)))

    @read()
    def network_get_dhcp_leases(self, network: str, mac: str = "", flags: int = 0) -> list[dict[str, Any]]:
        """List the addresses that guests were given: of all cards, or of one."""
        check_flags(flags)
        found = self.bench.networks.find(network)
        wanted = check_text(mac, "the MAC").lower() if mac else ""
        leases = parse_leases(self.bench.backend.dnsmasqs.read_leases(found.uuid), found.definition)
        return [lease for lease in leases if not wanted or lease["mac"] == wanted]

    @read(inline=True)
    def network_list_all_ports(self, network: str, flags: int = 0) -> list[dict[str, Any]]:
        """List where guests are plugged in."""
        check_flags(flags)
        found = self.bench.networks.find(network)
        kept = ("uuid", "device", "bridge", "mac", "driver", "owner", "owner_name")
        return [{key: row[key] for key in kept} for row in self.ports.of_network(found.uuid)]

    @read(inline=True)
    def network_port_get_xml_desc(self, network: str, port: str, flags: int = 0) -> str:
        """Return the XML of one port, as libvirt writes it."""
        check_flags(flags)
        row = self.ports.find(self.bench.networks.find(network), port)
        tree = etree.Element("networkport")
        etree.SubElement(tree, "uuid").text = row["uuid"]
        owner = etree.SubElement(tree, "owner")
        etree.SubElement(owner, "name").text = row["owner_name"]
        etree.SubElement(owner, "uuid").text = row["owner"]
        etree.SubElement(tree, "mac", address=row["mac"])
        etree.SubElement(tree, "plug", type="network", bridge=row["bridge"])
        etree.SubElement(tree, "target", dev=row["device"])
        etree.indent(tree)
        return etree.tostring(tree, encoding="unicode", pretty_print=True)


def _shown(network: Network) -> dict[str, Any]:
    return {
        "name": network.name,
        "uuid": network.uuid,
        "forward": network.definition.forward.mode or "isolated",
        "state": "active" if network.active else "inactive",
        "autostart": network.autostart,
        "persistent": network.defined is not None,
        "bridge": network.definition.bridge.name,
    }


def _selected(network: Network, flags: int) -> bool:
    persistent = network.defined is not None
    return is_listed(flags, active=network.active, persistent=persistent, autostart=network.autostart)
