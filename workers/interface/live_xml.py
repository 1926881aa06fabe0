"""What the kernel shows of an interface, as libvirt's interface XML. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lxml import etree

from tierhost.workers.interface.interface_xml import BOND_MODES, CENTISECONDS

if TYPE_CHECKING:
    from tierhost.workers.interface.state import Link, World

TYPES: Final = {"bridge": "bridge", "bond": "bond", "vlan": "vlan"}
DEPTH_MAX: Final = 4


def live_xml(link: Link, world: World) -> str:
    """Describe a device as it is now, with its ports and addresses."""
    return str(etree.tostring(_interface(link, world, 0), encoding="unicode", pretty_print=True))


def _interface(link: Link, world: World, depth: int) -> etree._Element:
    kind = TYPES.get(link.kind, "ethernet")
    root = etree.Element("interface", type=kind, name=link.name)
    if depth == 0:
        etree.SubElement(root, "mtu", size=str(link.mtu))
        for family, widest in (("ipv4", "."), ("ipv6", ":")):
            addresses = sorted(written for written in link.addresses if widest in written.partition("/")[0])
            gateways = sorted(gateway for gateway in link.gateways if widest in gateway)
            if addresses or gateways:
                _protocol(root, family, addresses, gateways)
    if kind == "ethernet":
        etree.SubElement(root, "link", state=link.state if link.state != "notpresent" else "unknown")
        etree.SubElement(root, "mac", address=link.mac)
    elif kind == "vlan":
        vlan = etree.SubElement(root, "vlan", tag=str(link.options.get("tag", 0)))
        etree.SubElement(vlan, "interface", name=link.parent)
    elif depth < DEPTH_MAX:
        root.append(_master(link, kind, world, depth))
    return root


def _master(link: Link, kind: str, world: World, depth: int) -> etree._Element:
    body = etree.Element(kind)
    if kind == "bridge":
        body.set("stp", "on" if link.options.get("stp") else "off")
        body.set("delay", f"{link.options.get('forward_delay', 0) / CENTISECONDS:g}")
    else:
        mode = link.options.get("mode", 0)
        body.set("mode", BOND_MODES[mode] if mode < len(BOND_MODES) else BOND_MODES[0])
    for port in world.ports_of(link.name):
        body.append(_interface(port, world, depth + 1))
    return body


def _protocol(root: etree._Element, family: str, addresses: list[str], gateways: list[str]) -> None:
    protocol = etree.SubElement(root, "protocol", family=family)
    for written in addresses:
        host, _, prefix = written.partition("/")
        etree.SubElement(protocol, "ip", address=host, prefix=prefix)
    for gateway in gateways[:1]:
        etree.SubElement(protocol, "route", gateway=gateway)
