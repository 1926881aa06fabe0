"""libvirt's <pool> XML: parsed once into a frozen definition, and written again with what the pool is now."""

from __future__ import annotations

import uuid as uuids
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from lxml import etree

from tierhost.workers.runtime.definitions import Element, parse
from tierhost.workers.storage.source_xml import Source
from tierhost.workers.storage.xml_values import Permissions, canonical_uuid, checked_name, read_permissions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FACTS: Final = ("capacity", "allocation", "available")


@dataclass(frozen=True, slots=True)
class PoolDefinition:
    """One pool as its XML describes it. `xml` is the text to keep, with name and uuid filled in."""

    name: str
    uuid: str
    type: str
    target: str
    source: Source = field(default_factory=Source)
    permissions: Permissions = field(default_factory=Permissions)
    xml: str = ""
    unread: tuple[str, ...] = ()


class Reader(Protocol):
    """What a back end reads of a definition itself."""

    def read_source(self, source: Element | None, pool: Element) -> Source:
        """Read <source>, or raise what is wrong with it; gets None when there is none, and the pool for its errors."""

    def read_target(self, target: Element | None, pool: Element, source: Source) -> str:
        """Read <target>: the directory whose files are the pool's volumes, or below which their devices appear; or nothing."""


def random_uuid() -> str:
    """Make the uuid of a pool whose XML has none."""
    return str(uuids.uuid4())


def parse_pool(text: str, reader_of: Callable[[str], Reader], new_uuid: Callable[[], str] = random_uuid) -> PoolDefinition:
    """Parse a pool. `reader_of(type)` returns the back end, or raises; a missing uuid is made.

    Raises BadDefinition naming element and line, or Unsupported for what touches safety.
    """
    pool = parse(text, "pool")
    reader = reader_of(pool.need("type"))
    name = checked_name(pool, pool.need_child("name").text)
    found = pool.child("uuid")
    uuid = canonical_uuid(found) if found is not None else new_uuid()
    for fact in FACTS:
        reported = pool.child(fact)
        if reported is not None:
            reported.keep()
    source_element = pool.child("source")
    source = reader.read_source(source_element, pool)
    if source_element is not None:
        source_element.refuse("auth", "adapter", "initiator", "protocol")
    target = pool.child("target")
    path = reader.read_target(target, pool, source)
    permissions = Permissions()
    if target is not None:
        target.refuse("encryption")
        permissions = read_permissions(target.child("permissions"))
    return PoolDefinition(
        name, uuid, pool.need("type"), path, source, permissions, _with_identity(pool.xml(), name, uuid), tuple(pool.unread())
    )


def _with_identity(xml: str, name: str, uuid: str) -> str:
    tree = etree.fromstring(xml)
    for fact in FACTS:
        for node in tree.findall(fact):
            tree.remove(node)
    for node in tree.findall("name") + tree.findall("uuid"):
        tree.remove(node)
    for position, (tag, text) in enumerate((("name", name), ("uuid", uuid))):
        node = etree.Element(tag)
        node.text = text
        tree.insert(position, node)
    return _text(tree)


def describe_pool(definition: PoolDefinition, facts: Mapping[str, int]) -> str:
    """Write a pool's XML: its definition (with what we do not read) and its capacity, allocation and available bytes."""
    tree = etree.fromstring(definition.xml)
    for position, fact in enumerate(FACTS, start=2):
        node = etree.Element(fact, unit="bytes")
        node.text = str(facts.get(fact, 0))
        tree.insert(position, node)
    return _text(tree)


def _text(tree: etree._Element) -> str:
    etree.indent(tree)
    return etree.tostring(tree, encoding="unicode", pretty_print=True)
