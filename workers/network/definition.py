"""What a network is made of: frozen values that the XML reader makes, and the back end builds from."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Final

Address = IPv4Address | IPv6Address
Interface = IPv4Interface | IPv6Interface

IPV4: Final = 4
IPV6: Final = 6

NAT: Final = "nat"
ROUTE: Final = "route"
OPEN: Final = "open"
BRIDGE: Final = "bridge"
ISOLATED: Final = ""
MODES: Final = (NAT, ROUTE, OPEN, BRIDGE)


@dataclass(frozen=True, slots=True)
class Range:
    """Addresses from which guests get theirs, or to which theirs are translated."""

    start: Address
    end: Address
    lease_s: int = 0


@dataclass(frozen=True, slots=True)
class DhcpHost:
    """A guest that always gets the same address. IPv4 knows it by its MAC, IPv6 by its name or DUID (`id`)."""

    address: Address | None
    mac: str = ""
    name: str = ""
    id: str = ""
    lease_s: int = 0


@dataclass(frozen=True, slots=True)
class Ip:
    """An address of the bridge, and what is handed out in its network."""

    interface: Interface
    ranges: tuple[Range, ...] = ()
    hosts: tuple[DhcpHost, ...] = ()
    tftp_root: str = ""
    boot_file: str = ""
    boot_server: str = ""

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.interface.version

    @property
    def serves(self) -> bool:
        """Whether anything is handed out."""
        return bool(self.ranges or self.hosts)


@dataclass(frozen=True, slots=True)
class DnsHost:
    """Names of an address."""

    address: Address
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Srv:
    """A service record."""

    service: str
    protocol: str
    domain: str = ""
    target: str = ""
    port: int = 1
    priority: int = 0
    weight: int = 0


@dataclass(frozen=True, slots=True)
class Dns:
    """What the network's own name server knows. `given`: there is a <dns> element that says something."""

    enabled: bool = True
    forward_plain_names: bool = True
    forwarders: tuple[tuple[str, str], ...] = ()
    """(address, domain) each; either may be empty."""

    hosts: tuple[DnsHost, ...] = ()
    texts: tuple[tuple[str, str], ...] = ()
    services: tuple[Srv, ...] = ()

    @property
    def given(self) -> bool:
        """Whether the definition asks for a name server by saying what it is to know."""
        return self.enabled and bool(self.forwarders or self.hosts or self.texts or self.services)


@dataclass(frozen=True, slots=True)
class Forward:
    """How guests reach what is outside."""

    mode: str = ISOLATED
    devices: tuple[str, ...] = ()
    nat_addresses: tuple[Address, Address] | None = None
    nat_ports: tuple[int, int] | None = None
    nat_ipv6: bool = False


@dataclass(frozen=True, slots=True)
class Bridge:
    """The bridge. Without a name it gets one when it is defined."""

    name: str = ""
    stp: bool = True
    delay_s: int = 0
    mtu: int = 0


@dataclass(frozen=True, slots=True)
class Route:
    """A network behind a guest."""

    destination: str
    gateway: str
    metric: int = 1


@dataclass(frozen=True, slots=True)
class NetworkDefinition:
    """One network as its XML describes it. `xml` is the text to keep, with name, uuid, bridge and MAC filled in."""

    name: str
    uuid: str
    bridge: Bridge
    mac: str = ""
    forward: Forward = field(default_factory=Forward)
    ips: tuple[Ip, ...] = ()
    dns: Dns = field(default_factory=Dns)
    domain: str = ""
    domain_local: bool = False
    routes: tuple[Route, ...] = ()
    isolated_ports: bool = False
    xml: str = ""
    unread: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """How it is named in errors, locks and degraded objects."""
        return f"network {self.name}"

    @property
    def makes_bridge(self) -> bool:
        """Whether the bridge is ours to make, and to take away."""
        return self.forward.mode != BRIDGE

    @property
    def is_filtered(self) -> bool:
        """Whether it needs a table of rules: guests with addresses that are kept from reaching everybody."""
        return bool(self.ips) and self.forward.mode not in {BRIDGE, OPEN}

    @property
    def is_served(self) -> bool:
        """Whether it needs a dnsmasq: something is handed out, or a name server was asked for."""
        return bool(self.ips) and (self.dns.given or any(ip.serves for ip in self.ips))
