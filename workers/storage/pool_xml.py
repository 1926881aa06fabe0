"""libvirt's <pool> XML: parsed once into a frozen definition, and written again with what the pool is now."""

from __future__ import annotations

import os
import uuid as uuids
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from lxml import etree

from tierhost.workers.runtime.definitions import Element, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME_BYTES_MAX: Final = 255
ID_MAX: Final = 2**32 - 2
PATH_BYTES_MAX: Final = 4095
FACTS: Final = ("capacity", "allocation", "available")


@dataclass(frozen=True, slots=True)
class Permissions:
    """Mode, owner and group of a directory or file that we make; None leaves it to the system."""

    mode: int | None = None
    owner: int | None = None
    group: int | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Where a pool's storage comes from, as its back end read it."""

    device: str = ""
    format: str = ""


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


ReadSource = Callable[[Element | None, Element], Source]
"""A back end's reader of <source>; gets None when there is none, and the pool for its errors."""


def random_uuid() -> str:
    """Make the uuid of a pool whose XML has none."""
    return str(uuids.uuid4())


def parse_pool(text: str, reader_of: Callable[[str], ReadSource], new_uuid: Callable[[], str] = random_uuid) -> PoolDefinition:
    """Parse a pool. `reader_of(type)` returns the back end's reader of <source>, or raises; a missing uuid is made.

    Raises BadDefinition naming element and line, or Unsupported for what touches safety.
    """
    pool = parse(text, "pool")
    read_source = reader_of(pool.need("type"))
    name = checked_name(pool, pool.need_child("name").text)
    found = pool.child("uuid")
    uuid = canonical_uuid(found) if found is not None else new_uuid()
    for fact in FACTS:
        reported = pool.child(fact)
        if reported is not None:
            reported.keep()
    source_element = pool.child("source")
    source = read_source(source_element, pool)
    if source_element is not None:
        source_element.refuse("auth", "adapter", "initiator", "protocol")
    target = pool.need_child("target")
    target.refuse("encryption")
    path = absolute_path(target.need_child("path"))
    permissions = read_permissions(target.child("permissions"))
    return PoolDefinition(
        name, uuid, pool.need("type"), path, source, permissions, _with_identity(pool.xml(), name, uuid), tuple(pool.unread())
    )


def checked_name(element: Element, name: str) -> str:
    """Check a pool's name: printable, without '/', not empty."""
    if not name or len(name.encode()) > NAME_BYTES_MAX or "/" in name or not name.isprintable() or name in {".", ".."}:
        raise element.bad(f"the name {name[:80]!r} is empty, too long, or has '/' or unprintable characters in it")
    return name


def canonical_uuid(element: Element) -> str:
    """Read a uuid element in its usual spelling."""
    return canonical_uuid_text(element, element.text)


def canonical_uuid_text(element: Element, text: str) -> str:
    """Write a uuid in its usual spelling; the element is named if it is none."""
    try:
        return str(uuids.UUID(text))
    except ValueError:
        raise element.bad(f"{text[:80]!r} is not a uuid") from None


def absolute_path(element: Element, path: str | None = None) -> str:
    """Read an absolute path (the element's text, if none is given), and write it without '//' or a trailing '/'."""
    path = element.text if path is None else path
    if not path.startswith("/") or "\0" in path or len(path.encode()) > PATH_BYTES_MAX:
        raise element.bad(f"the path {path[:80]!r} is not absolute, or too long")
    if ".." in path.split("/"):
        raise element.bad(f"the path {path[:80]!r} has '..' in it")
    clean = os.path.normpath(path)
    return "/" + clean.lstrip("/")


def read_permissions(element: Element | None) -> Permissions:
    """Read <permissions>; -1 means: leave it to the system, as in libvirt."""
    if element is None:
        return Permissions()
    mode = element.child("mode")
    return Permissions(None if mode is None else _octal(mode), _id(element.child("owner")), _id(element.child("group")))


def _octal(element: Element) -> int:
    try:
        mode = int(element.text, 8)
    except ValueError:
        raise element.bad(f"mode is {element.text[:80]!r}, expected an octal number") from None
    if not 0 <= mode <= 0o777:  # noqa: PLR2004  # no setuid bits on disk images
        raise element.bad(f"mode is {element.text[:80]!r}, expected 0 to 0777")
    return mode


def _id(element: Element | None) -> int | None:
    if element is None or element.text == "-1":
        return None
    return element.whole(element.text, element.tag, 0, ID_MAX)


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
