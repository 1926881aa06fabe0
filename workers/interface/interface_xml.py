"""Libvirt's interface XML into a definition. Pure; what nobody acts on is reported, what would be half done is refused."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.interface.definition import KINDS, Definition, Part
from tierhost.workers.runtime.definitions import Unsupported, parse, validate

if TYPE_CHECKING:
    from tierhost.workers.runtime.definitions import Element

NAME: Final = re.compile(r"[A-Za-z0-9_.\-]{1,15}\Z")
"""What the kernel takes as a device's name (IFNAMSIZ) and libvirt's schema allows, without what a path would mind."""

MAC: Final = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}\Z")
SECONDS: Final = re.compile(r"\d{1,5}(\.\d{1,6})?\Z")
MTU_MIN, MTU_MAX = 68, 65_535
VLAN_MAX: Final = 4094
MS_MAX: Final = 1_000_000
PARTS_MAX: Final = 64
"""Devices of one interface."""

START_MODES: Final = ("onboot", "none", "hotplug")
BOND_MODES: Final = ("balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb")
ARP_VALIDATE: Final = ("none", "active", "backup", "all")
PORTS: Final = {"bridge": ("ethernet", "vlan", "bond"), "bond": ("ethernet",)}
CENTISECONDS: Final = 100
DEFINE_VALIDATE: Final = 1


def read(text: str, flags: int = 0) -> Definition:
    """Read a definition. Raises BadDefinition or Unsupported, with element and line."""
    root = parse(text, "interface")
    if flags & DEFINE_VALIDATE:
        validate(root, "interface")
    start = root.child("start")
    mode = start.one_of("mode", START_MODES) if start else "none"
    if mode == "hotplug":
        raise Unsupported("start mode 'hotplug' is not supported here", subject=root.path, hint="use 'onboot' or 'none'")
    part = _part(root, KINDS)
    names = [each.name for each in part.all()]
    if len(set(names)) != len(names):
        raise root.bad("a device stands in it twice")
    if len(names) > PARTS_MAX:
        raise root.bad(f"it has {len(names)} devices, at most {PARTS_MAX}")
    root.refuse("encryption", "auth")
    return Definition(part, root.xml(), onboot=mode == "onboot", unread=tuple(root.unread()))


def _part(element: Element, kinds: tuple[str, ...]) -> Part:
    kind = element.one_of("type", kinds)
    body: dict[str, Any] = {}
    if kind == "vlan":
        body = _vlan(element)
    elif kind == "bond":
        body = _bond(element.need_child("bond"))
    elif kind == "bridge":
        body = _bridge(element.need_child("bridge"))
    default = f"{body['parent']}.{body['options']['tag']}" if kind == "vlan" else None
    name = _name(element, element.get("name") or default)
    addresses, gateways = _protocols(element)
    return Part(name, kind, _mac(element), _mtu(element), addresses, gateways, **body)


def _name(element: Element, name: str | None) -> str:
    if name is None or not NAME.match(name) or name in {".", ".."}:
        raise element.bad(f"name is {name!r:.40}, expected 1 to 15 letters, digits, '_', '.', '-'")
    return name


def _mac(element: Element) -> str:
    mac = element.child("mac")
    if mac is None:
        return ""
    address = mac.need("address").lower()
    if not MAC.match(address):
        raise mac.bad(f"address is {address!r:.40}, expected six pairs of hexadecimal digits")
    if element.get("type") != "ethernet":
        raise Unsupported("only a network card may have a <mac>", subject=mac.path, hint="leave it out")
    return address


def _mtu(element: Element) -> int:
    mtu = element.child("mtu")
    return mtu.whole(mtu.need("size"), "size", MTU_MIN, MTU_MAX) if mtu else 0


def _vlan(element: Element) -> dict[str, Any]:
    vlan = element.need_child("vlan")
    below = vlan.need_child("interface")
    tag = vlan.whole(vlan.need("tag"), "tag", 0, VLAN_MAX)
    return {"parent": _name(below, below.get("name")), "options": {"tag": tag}}


def _bridge(bridge: Element) -> dict[str, Any]:
    options: dict[str, Any] = {"stp": int(bridge.flag("stp", default=False))}
    delay = bridge.get("delay")
    if delay is not None:
        if not SECONDS.match(delay):
            raise bridge.bad(f"delay is {delay!r:.40}, expected seconds")
        options["forward_delay"] = round(float(delay) * CENTISECONDS)
    return {"options": options, "ports": _ports(bridge, "bridge")}


def _bond(bond: Element) -> dict[str, Any]:
    options: dict[str, Any] = {"mode": BOND_MODES.index(bond.one_of("mode", BOND_MODES, BOND_MODES[0]))}
    miimon, arpmon = bond.child("miimon"), bond.child("arpmon")
    if miimon and arpmon:
        raise arpmon.bad("<miimon> and <arpmon> exclude each other")
    if miimon:
        options["miimon"] = miimon.whole(miimon.need("freq"), "freq", 0, MS_MAX)
        for delay in ("updelay", "downdelay"):
            if miimon.get(delay) is not None:
                options[delay] = miimon.whole(miimon.need(delay), delay, 0, MS_MAX)
        options["use_carrier"] = int(miimon.one_of("carrier", ("ioctl", "netif"), "netif") == "netif")
    if arpmon:
        options["arp_interval"] = arpmon.whole(arpmon.need("interval"), "interval", 1, MS_MAX)
        options["arp_targets"] = [_packable(arpmon, arpmon.need("target"), socket.AF_INET)]
        options["arp_validate"] = ARP_VALIDATE.index(arpmon.one_of("validate", ARP_VALIDATE, "none"))
    ports = _ports(bond, "bond")
    if not ports:
        raise bond.bad("a bond needs at least one <interface>")
    return {"options": options, "ports": ports}


def _ports(element: Element, kind: str) -> tuple[Part, ...]:
    ports = tuple(_part(port, PORTS[kind]) for port in element.children("interface"))
    for port, child in zip(ports, element.children("interface"), strict=True):
        if port.addresses or port.mtu:
            raise child.bad("a port has neither addresses nor an MTU of its own")
    return ports


def _protocols(element: Element) -> tuple[tuple[str, ...], tuple[str, ...]]:
    addresses: list[str] = []
    gateways: list[str] = []
    for protocol in element.children("protocol"):
        family = socket.AF_INET if protocol.one_of("family", ("ipv4", "ipv6")) == "ipv4" else socket.AF_INET6
        widest = 32 if family == socket.AF_INET else 128
        # Without a client that asks for it the interface would be up, and have no address: neither done nor refused.
        protocol.refuse("dhcp")
        for ip in protocol.children("ip"):
            host = _packable(ip, ip.need("address"), family)
            prefix = ip.whole(ip.get("prefix") or str(widest), "prefix", 0, widest)
            addresses.append(f"{host}/{prefix}")
        route = protocol.child("route")
        if route:
            gateways.append(_packable(route, route.need("gateway"), family))
    if len(set(addresses)) != len(addresses):
        raise element.bad("an address stands in it twice")
    return tuple(addresses), tuple(gateways)


def _packable(element: Element, text: str, family: socket.AddressFamily) -> str:
    """Return an address as the kernel would write it."""
    try:
        return socket.inet_ntop(family, socket.inet_pton(family, text))
    except (OSError, ValueError):
        raise element.bad(f"{text!r:.60} is no {'IPv4' if family == socket.AF_INET else 'IPv6'} address") from None
