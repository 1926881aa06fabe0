"""Libvirt XML in, safely: bounded, no network, no entities; and a record of what nobody read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lxml import etree

from tierhost.ipc.errors import Code, DriverError

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFINITION_BYTES_MAX: Final = 4 << 20
"""libvirt's own limit for one string on its wire (VIR_NET_MESSAGE_STRING_MAX)."""

DEPTH_MAX: Final = 64
ELEMENTS_MAX: Final = 20_000
QUOTED_CHARS_MAX: Final = 80
"""How much of somebody's text an error repeats."""

SCHEMA_DIR: Final = "/usr/share/libvirt/schemas"
"""Where libvirt's own packages put its RelaxNG files; they are read there, never copied."""


class BadDefinition(DriverError):
    """Raised when XML is not what its kind of object needs; names element or attribute, and the line."""

    code = Code.XML_ERROR


class Unsupported(DriverError):
    """Raised when XML asks for something that touches safety and that we do not implement."""

    code = Code.CONFIG_UNSUPPORTED


def parse(text: str, root: str) -> Element:
    """Parse one definition whose document element must be `root`. Raises BadDefinition, with the line."""
    subject = f"<{root}>"
    try:
        data = text.encode()
    except (AttributeError, UnicodeEncodeError):
        raise BadDefinition("the definition is not text", subject=subject) from None
    if len(data) > DEFINITION_BYTES_MAX:
        raise BadDefinition(f"the definition has {len(data)} bytes, the limit is {DEFINITION_BYTES_MAX}", subject=subject)
    # the encoding is ours: what the document declares was true of the file, before it became this text
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        node = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise BadDefinition(f"not well-formed XML: {error!s:.300}", subject=subject) from None
    if node.getroottree().docinfo.doctype:
        raise BadDefinition("a document type declaration is not allowed", subject=subject, hint="remove <!DOCTYPE ...>")
    if node.tag != root:
        raise BadDefinition(f"the document element is <{node.tag!s:.{QUOTED_CHARS_MAX}}>, expected <{root}>", subject=subject)
    _bound(node, root)
    return Element(node, f"/{root}")


def validate(definition: Element, schema: str) -> None:
    """Hold a definition against libvirt's schema (`secret`, `domain`, ...), as `virsh define --validate` asks.

    Raises BadDefinition with what does not fit, and Unsupported where libvirt's schemas are not installed. Only on
    request: without it libvirt, too, takes elements that it does not know.
    """
    file = Path(os.environ.get("TIERHOST_SCHEMA_DIR", SCHEMA_DIR)) / f"{schema}.rng"
    try:
        rules = etree.RelaxNG(file=str(file))
    except (etree.RelaxNGParseError, OSError) as error:
        hint = "install libvirt's schemas (Debian: libvirt0), or define it without validation"
        raise Unsupported(
            f"cannot validate: {error!s:.200}", code=Code.ARGUMENT_UNSUPPORTED, subject=str(file), hint=hint
        ) from None
    if rules.validate(definition.node):
        return
    # libxml2 reports consequences too, without a line; the ones with a line come first because they help
    complaints = sorted((entry for entry in rules.error_log), key=lambda entry: entry.line <= 0)
    told = "; ".join(f"{entry.message} (line {entry.line})" for entry in complaints[:3])
    raise BadDefinition(f"does not fit the schema: {told}", code=Code.XML_INVALID_SCHEMA, subject=definition.path)


def _bound(node: etree._Element, root: str) -> None:
    seen = 0
    stack = [(node, 1)]
    while stack:
        element, depth = stack.pop()
        seen += 1
        if depth > DEPTH_MAX or seen > ELEMENTS_MAX:
            reason = f"nested deeper than {DEPTH_MAX} or more than {ELEMENTS_MAX} elements (line {element.sourceline})"
            raise BadDefinition(reason, subject=f"<{root}>")
        stack.extend((child, depth + 1) for child in element)


class Element:
    """An XML element that remembers which of its children and attributes were asked for.

    After a driver has read all it understands, `unread()` lists the rest: kept in the XML, acted on by nobody, and
    reported to the user.
    """

    __slots__ = ("_attributes", "_children", "_node", "path")

    def __init__(self, node: etree._Element, path: str) -> None:
        self._node = node
        self.path = path
        self._attributes: set[str] = set()
        self._children: dict[etree._Element, Element] = {}

    @property
    def node(self) -> etree._Element:
        """The element itself, for what lxml does better."""
        return self._node

    @property
    def tag(self) -> str:
        """The element's name."""
        return str(self._node.tag)

    @property
    def line(self) -> int:
        """Where it stands in the text, counted from 1."""
        return self._node.sourceline or 0

    def get(self, name: str) -> str | None:
        """Return an attribute, or None."""
        self._attributes.add(name)
        return self._node.get(name)

    def need(self, name: str) -> str:
        """Return an attribute that must be there."""
        value = self.get(name)
        if value is None or not value:
            raise self.bad(f"attribute '{name}' is missing")
        return value

    def one_of(self, name: str, choices: tuple[str, ...], default: str | None = None) -> str:
        """Return an attribute that has one of a few values."""
        value = self.get(name)
        if value is None and default is not None:
            return default
        if value not in choices:
            raise self.bad(f"attribute '{name}' is {value!r:.{QUOTED_CHARS_MAX}}, expected one of {', '.join(choices)}")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """Return a yes/no (or on/off) attribute."""
        return self.one_of(name, ("yes", "no", "on", "off"), "yes" if default else "no") in {"yes", "on"}

    @property
    def text(self) -> str:
        """Its text, without the white space around it."""
        return (self._node.text or "").strip()

    def whole(self, text: str, what: str, low: int, high: int) -> int:
        """Turn text of this element into a whole number within bounds."""
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdecimal() and len(digits) < QUOTED_CHARS_MAX):
            raise self.bad(f"{what} is {text!r:.{QUOTED_CHARS_MAX}}, expected a whole number")
        number = int(text)
        if not low <= number <= high:
            raise self.bad(f"{what} is {number}, expected {low} to {high}")
        return number

    def child(self, tag: str) -> Element | None:
        """Return the only child of this name, or None; two are an error."""
        found = list(self.children(tag))
        if len(found) > 1:
            raise found[1].bad(f"<{tag}> may stand only once")
        return found[0] if found else None

    def need_child(self, tag: str) -> Element:
        """Return the only child of this name, which must be there."""
        found = self.child(tag)
        if found is None:
            raise self.bad(f"<{tag}> is missing")
        return found

    def child_text(self, tag: str, default: str = "") -> str:
        """Return the text of the only child of this name, or the default."""
        found = self.child(tag)
        return default if found is None else found.text

    def children(self, tag: str = "*") -> Iterator[Element]:
        """Return the children of this name (all of them, without one)."""
        for node in self._node.iterchildren(tag):
            if isinstance(node.tag, str):
                if node not in self._children:
                    self._children[node] = Element(node, f"{self.path}/{node.tag}")
                yield self._children[node]

    def keep(self) -> None:
        """Count this element and everything below as read: it is stored and shown, by design without effect (metadata)."""
        self._attributes.update(str(name) for name in self._node.attrib)
        for child in self.children():
            child.keep()

    def unread(self) -> list[str]:
        """List the paths of elements and attributes nobody asked for, with their lines."""
        lost = [f"{self.path}/@{name} (line {self.line})" for name in map(str, self._node.attrib) if name not in self._attributes]
        for node in self._node.iterchildren("*"):
            known = self._children.get(node)
            lost += known.unread() if known else [f"{self.path}/{node.tag!s} (line {node.sourceline})"]
        return lost

    def refuse(self, *unsafe: str) -> None:
        """Raise Unsupported if one of these children is there and was not read: it touches safety."""
        for tag in unsafe:
            node = self._node.find(tag)
            if node is not None and node not in self._children:
                reason = f"<{tag}> is not supported here, and ignoring it would not be safe (line {node.sourceline})"
                raise Unsupported(reason, subject=self.path)

    def set_child_text(self, tag: str, text: str) -> None:
        """Write a child's text, making the child (first of all) if it is not there."""
        node = self._node.find(tag)
        if node is None:
            node = etree.Element(tag)
            self._node.insert(0, node)
        node.text = text
        next(self.children(tag)).keep()

    def drop(self, name: str) -> None:
        """Take an attribute out of the XML (a password, once it is kept elsewhere)."""
        self._node.attrib.pop(name, None)

    def bad(self, text: str) -> BadDefinition:
        """Make the error about this element, with its line."""
        return BadDefinition(f"{text} (line {self.line})", subject=self.path)

    def xml(self) -> str:
        """Return the element as text."""
        return str(etree.tostring(self._node, encoding="unicode", pretty_print=True))
