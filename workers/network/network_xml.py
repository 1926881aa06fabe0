"""libvirt's <network> XML: parsed once into a frozen definition, written again with what the network is now."""

from __future__ import annotations

import re
import uuid as uuids
from _blake2 import blake2b  # hashlib would load all of OpenSSL for it
from dataclasses import replace
from ipaddress import ip_network
from typing import TYPE_CHECKING, Final

from lxml import etree

from tierhost.workers.network.address_xml import address_of, addresses_from, ports_from
from tierhost.workers.network.definition import BRIDGE, ISOLATED, MODES, Bridge, Forward, NetworkDefinition, Route
from tierhost.workers.network.dns_xml import dns_from, host_name
from tierhost.workers.runtime.definitions import Element, Unsupported, parse

if TYPE_CHECKING:
    from tierhost.workers.network.definition import Address

NAME_BYTES_MAX: Final = 255
DEVICE: Final = re.compile(r"[A-Za-z0-9_.-]{1,15}\Z", re.ASCII)
MAC: Final = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}\Z", re.ASCII)
MULTICAST_BIT: Final = 1
MTU_MIN: Final = 68
MTU_MAX: Final = 65535
DELAY_S_MAX: Final = 30
METRIC_MAX: Final = 1 << 31
ROUTES_MAX: Final = 256
UNSAFE: Final = ("virtualport", "vlan", "portgroup", "port-profile")
"""What keeps guests apart from each other elsewhere: refused rather than left out."""


def parse_network(text: str) -> NetworkDefinition:
    """Parse a network. A missing uuid or MAC is made; a missing bridge name stays empty (see `completed`).

    Raises BadDefinition naming element and line, or Unsupported for what touches safety.
    """
    root = parse(text, "network")
    for tag in ("title", "description", "metadata"):
        found = root.child(tag)
        if found is not None:
            found.keep()
    root.get("connections")
    root.get("ipv6")
    forward = _forward(root)
    domain = root.child("domain")
    isolated = root.child("port")
    uuid = _uuid(root)
    definition = NetworkDefinition(
        name=_name(root),
        uuid=uuid,
        bridge=_bridge(root),
        mac=_mac(root, uuid) if forward.mode != BRIDGE else "",
        forward=forward,
        ips=addresses_from(root),
        dns=dns_from(root.child("dns")),
        domain=host_name(domain, domain.need("name")) if domain is not None else "",
        domain_local=domain is not None and domain.flag("localOnly", default=False),
        routes=_routes(root),
        isolated_ports=isolated is not None and isolated.flag("isolated", default=False),
    )
    root.refuse(*UNSAFE)
    _check_mode(root, definition)
    return completed(replace(definition, unread=tuple(root.unread()), xml=root.xml()))


def completed(definition: NetworkDefinition, bridge: str = "") -> NetworkDefinition:
    """Fill name, uuid, MAC and bridge name into the text that is kept."""
    name = bridge or definition.bridge.name
    tree = etree.fromstring(definition.xml)
    tree.attrib.pop("connections", None)
    for node in [node for tag in ("name", "uuid", "mac") for node in tree.findall(tag)]:
        tree.remove(node)
    for position, (tag, text) in enumerate((("name", definition.name), ("uuid", definition.uuid))):
        node = etree.Element(tag)
        node.text = text
        tree.insert(position, node)
    if name:
        found = tree.find("bridge")
        if found is None:
            found = etree.SubElement(tree, "bridge")
        found.set("name", name)
    if definition.mac:
        etree.SubElement(tree, "mac", address=definition.mac)
    return replace(definition, bridge=replace(definition.bridge, name=name), xml=_text(tree))


def describe(definition: NetworkDefinition, ports: int = 0) -> str:
    """Write a network's XML: its definition (with what we do not read), and how many guests are plugged in."""
    if not ports:
        return definition.xml
    tree = etree.fromstring(definition.xml)
    tree.set("connections", str(ports))
    return _text(tree)


def _text(tree: etree._Element) -> str:
    etree.indent(tree)
    return etree.tostring(tree, encoding="unicode", pretty_print=True)


def _name(root: Element) -> str:
    element = root.need_child("name")
    name = element.text
    if not name or len(name.encode()) > NAME_BYTES_MAX or "/" in name or not name.isprintable() or name in {".", ".."}:
        raise element.bad(f"the name {name[:80]!r} is empty, too long, or has '/' or unprintable characters in it")
    return name


def _uuid(root: Element) -> str:
    element = root.child("uuid")
    if element is None:
        return str(uuids.uuid4())
    try:
        return str(uuids.UUID(element.text))
    except ValueError:
        raise element.bad(f"{element.text[:80]!r} is not a uuid") from None


def mac_of(element: Element, text: str) -> str:
    """Read the MAC address of one card. Raises BadDefinition."""
    mac = text.lower()
    if not MAC.match(mac) or int(mac[:2], 16) & MULTICAST_BIT:
        raise element.bad(f"{text[:40]!r} is not the MAC address of a card")
    return mac


def _mac(root: Element, uuid: str) -> str:
    """The bridge's MAC: without one, always the same for the same network, so that guests still know their router."""
    element = root.child("mac")
    if element is not None:
        return mac_of(element, element.need("address"))
    return f"52:54:00:{blake2b(uuid.encode(), digest_size=3).digest().hex(':')}"


def device_name(element: Element, text: str) -> str:
    """Read the name of a network device. Raises BadDefinition."""
    if not DEVICE.match(text) or text in {".", ".."}:
        raise element.bad(f"{text[:40]!r} cannot be a network device: 1 to 15 letters, digits or _ . -")
    return text


def _bridge(root: Element) -> Bridge:
    element = root.child("bridge")
    mtu = root.child("mtu")
    size = mtu.whole(mtu.need("size"), "size", MTU_MIN, MTU_MAX) if mtu is not None else 0
    if element is None:
        return Bridge(mtu=size)
    name = element.get("name") or ""
    if element.get("macTableManager") not in {None, "kernel"}:
        raise Unsupported(f"only macTableManager='kernel' is supported (line {element.line})", subject=element.path)
    if element.get("zone") is not None:
        raise Unsupported(f"firewalld zones are not set here (line {element.line})", subject=element.path)
    return Bridge(
        name=device_name(element, name) if name else "",
        stp=element.flag("stp", default=True),
        delay_s=element.whole(element.get("delay") or "0", "delay", 0, DELAY_S_MAX),
        mtu=size,
    )


def _forward(root: Element) -> Forward:
    element = root.child("forward")
    if element is None:
        return Forward()
    mode = element.get("mode") or "nat"
    if mode not in MODES:
        hint = f"supported: {', '.join(MODES)}, and no <forward> at all for an isolated network"
        raise Unsupported(f"forward mode {mode!r:.20} is not supported (line {element.line})", subject=element.path, hint=hint)
    devices = [device_name(element, element.need("dev"))] if element.get("dev") else []
    for interface in element.children("interface"):
        name = device_name(interface, interface.need("dev"))
        if name not in devices:
            devices.append(name)
    if mode == BRIDGE and devices:
        raise Unsupported(
            f"guests on a card of their own (macvtap) are not supported (line {element.line})",
            subject=element.path,
            hint="put the card into a bridge, and name that in <bridge name='...'/>",
        )
    element.refuse("address", "pf", "driver")
    return _nat(element, Forward(mode, tuple(devices)))


def _nat(forward: Element, made: Forward) -> Forward:
    nat = forward.child("nat")
    if nat is None:
        return made
    if made.mode != "nat":
        raise nat.bad("<nat> means nothing unless mode is 'nat'")
    addresses: tuple[Address, Address] | None = None
    translated = nat.child("address")
    if translated is not None:
        start = address_of(translated, translated.need("start"), 4)
        addresses = (start, address_of(translated, translated.get("end") or str(start), 4))
        if int(addresses[0]) > int(addresses[1]):
            raise translated.bad("start is behind end")
    return replace(made, nat_addresses=addresses, nat_ports=ports_from(nat), nat_ipv6=nat.flag("ipv6", default=False))


def _routes(root: Element) -> tuple[Route, ...]:
    found = []
    for element in root.children("route"):
        version = 6 if element.one_of("family", ("ipv4", "ipv6"), "ipv4") == "ipv6" else 4
        address = address_of(element, element.need("address"), version)
        bits = element.get("prefix") or element.get("netmask") or str(address.max_prefixlen)
        try:
            destination = ip_network(f"{address}/{bits}")
        except ValueError as error:
            raise element.bad(f"no network: {error!s:.100}") from None
        gateway = address_of(element, element.need("gateway"), version)
        metric = element.whole(element.get("metric") or "1", "metric", 1, METRIC_MAX)
        found.append(Route(str(destination), str(gateway), metric))
    if len(found) > ROUTES_MAX:
        raise root.bad(f"more than {ROUTES_MAX} routes")
    return tuple(found)


def _check_mode(root: Element, made: NetworkDefinition) -> None:
    if made.forward.mode == BRIDGE:
        if not made.bridge.name:
            raise root.bad("a network on an existing bridge names it in <bridge name='...'/>")
        if made.ips or made.routes or made.domain or made.dns.given:
            raise root.bad("a network on an existing bridge has no addresses, routes or name server of its own")
        return
    if made.forward.mode != ISOLATED and not made.ips:
        raise root.bad(f"forward mode '{made.forward.mode}' needs an <ip>")
    if made.dns.given and not made.ips:
        raise root.bad("a name server needs an <ip> to listen at")
    for route in made.routes:
        if not any(_within(route.gateway, ip.interface.network) for ip in made.ips):
            raise root.bad(f"the gateway {route.gateway} of a route is in none of the network's own networks")


def _within(address: str, network: object) -> bool:
    return ip_network(address).subnet_of(network) if ip_network(address).version == network.version else False  # type: ignore[attr-defined, arg-type]
