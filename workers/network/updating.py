"""network_update: one element of a network's XML is added, changed or removed. Pure: text in, text out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lxml import etree

from tierhost.workers.network.flags import (
    COMMAND_ADD_FIRST,
    COMMAND_ADD_LAST,
    COMMAND_DELETE,
    COMMAND_MODIFY,
    SECTION_DNS_HOST,
    SECTION_IP_DHCP_HOST,
)
from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.runtime.definitions import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

KEYS: Final = {SECTION_IP_DHCP_HOST: ("mac", "id", "name", "ip"), SECTION_DNS_HOST: ("ip",)}
"""By what an entry of a section is known, the best first."""


def updated(network: str, command: int, section: int, parent_index: int, xml: str) -> str:
    """Return the network's XML with the change made. Raises DriverError; parsing shows whether it is a network."""
    if section not in KEYS:
        raise DriverError(
            f"section {section} cannot be updated here",
            code=Code.OPERATION_UNSUPPORTED,
            hint="4 (DHCP hosts) and 10 (DNS hosts) can; for the rest define the network again, and restart it",
        )
    entry = parse(xml, "host").node
    tree = etree.fromstring(network)
    parent = _parent(tree, section, parent_index)
    entries = parent.findall("host")
    same = _same(entries, entry, section)
    if command in {COMMAND_MODIFY, COMMAND_DELETE}:
        if same is None:
            raise DriverError("there is no such host in it", code=Code.OPERATION_INVALID)
        if command == COMMAND_DELETE:
            parent.remove(same)
        else:
            parent.replace(same, entry)
    else:
        assert command in {COMMAND_ADD_LAST, COMMAND_ADD_FIRST}
        if same is not None:
            raise DriverError("there is such a host in it already", code=Code.OPERATION_INVALID, hint="command 1 changes it")
        parent.insert(len(parent) if command == COMMAND_ADD_LAST else _first(parent), entry)
    etree.indent(tree)
    return etree.tostring(tree, encoding="unicode", pretty_print=True)


def _first(parent: etree._Element) -> int:
    return next((place for place, node in enumerate(parent) if node.tag == "host"), len(parent))


def _parent(tree: etree._Element, section: int, parent_index: int) -> etree._Element:
    if section == SECTION_DNS_HOST:
        found = tree.find("dns")
        return found if found is not None else etree.SubElement(tree, "dns")
    ips = tree.findall("ip")
    if parent_index < 0:
        # libvirt: the first that hands something out, or else the first of all.
        parent_index = next((number for number, ip in enumerate(ips) if ip.find("dhcp") is not None), 0)
    if parent_index >= len(ips):
        raise DriverError(f"there is no <ip> number {parent_index}", code=Code.OPERATION_INVALID)
    dhcp = ips[parent_index].find("dhcp")
    return dhcp if dhcp is not None else etree.SubElement(ips[parent_index], "dhcp")


def _same(entries: Sequence[etree._Element], wanted: etree._Element, section: int) -> etree._Element | None:
    for key in KEYS[section]:
        value = (wanted.get(key) or "").lower()
        if value:
            return next((entry for entry in entries if (entry.get(key) or "").lower() == value), None)
    return None
