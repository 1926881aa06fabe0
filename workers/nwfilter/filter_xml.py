"""A filter out of libvirt's XML: rules and references, checked as far as they can be without a port. Pure."""

from __future__ import annotations

import re
import uuid as uuids
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tierhost.workers.nwfilter import variables
from tierhost.workers.nwfilter.fields import CHAINS, LATER, PROTOCOLS
from tierhost.workers.runtime.definitions import Unsupported, parse, validate

if TYPE_CHECKING:
    from tierhost.workers.nwfilter.fields import Protocol
    from tierhost.workers.nwfilter.variables import Variables
    from tierhost.workers.runtime.definitions import Element

NAME: Final = re.compile(r"[A-Za-z0-9_.:-]{1,120}\Z")
CHAIN: Final = re.compile(r"[A-Za-z0-9_.:-]{1,31}\Z")
RULES_MAX: Final = 4096
PRIORITY_MAX: Final = 1000
RULE_PRIORITY: Final = 500
ACTIONS: Final = ("drop", "accept", "reject", "return", "continue")
STATES: Final = ("NEW", "ESTABLISHED", "RELATED", "INVALID", "NONE")

BOTH: Final = "inout"
OUT: Final = "out"
IN: Final = "in"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `tests` are its attributes as they stand in the XML: a value, or a variable."""

    action: str
    direction: str
    priority: int
    states: bool
    protocol: str
    negated: bool
    tests: tuple[tuple[str, str], ...]
    line: int

    @property
    def of(self) -> Protocol:
        """What is known of its element."""
        return PROTOCOLS[self.protocol]

    def get(self, name: str) -> str:
        """One attribute, or nothing."""
        return dict(self.tests).get(name, "")

    @property
    def told(self) -> str:
        """How an error names it."""
        return f"<{self.protocol or 'rule'}> (line {self.line})"


@dataclass(frozen=True, slots=True)
class Reference:
    """Another filter, taken in with parameters."""

    filter: str
    parameters: Variables
    line: int


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter. `builtin`: it is one of the files that come with the driver."""

    name: str
    uuid: str
    chain: str
    priority: int
    parts: tuple[Rule | Reference, ...]
    xml: str
    builtin: bool = False

    @property
    def subject(self) -> str:
        """How errors and events name it."""
        return f"filter {self.name}"

    @property
    def references(self) -> tuple[str, ...]:
        """The filters it names."""
        return tuple(part.filter for part in self.parts if isinstance(part, Reference))


def parse_filter(text: str, *, valid: bool = False, uuid: str = "", builtin: bool = False) -> tuple[Filter, list[str]]:
    """Read a definition; also return what in it nobody acts on. `uuid` is for one that has none. Raises DriverError."""
    root = parse(text, "filter")
    if valid:
        validate(root, "nwfilter")
    name = root.need("name")
    if not NAME.match(name):
        raise root.bad(f"name is {name!r:.60}, expected up to 120 letters, digits and _ . : -")
    chain = root.get("chain") or "root"
    family = chain.partition("-")[0]
    if not CHAIN.match(chain) or family not in CHAINS or chain.startswith("root-"):
        known = ", ".join(CHAINS)
        raise root.bad(f"chain is {chain!r:.60}, expected one of {known}, or one of those but root with -NAME behind it")
    given = root.get("priority")
    priority = CHAINS[family][0] if given is None else root.whole(given, "priority", -PRIORITY_MAX, PRIORITY_MAX)
    written = _uuid(root) or uuid or str(uuids.uuid4())
    order = {node: place for place, node in enumerate(root.node)}
    elements = sorted((*root.children("rule"), *root.children("filterref")), key=lambda element: order[element.node])
    parts = tuple(_part(element) for element in elements)
    if len(parts) > RULES_MAX:
        raise root.bad(f"{len(parts)} rules and references, at most {RULES_MAX} are allowed")
    root.set_child_text("uuid", written)
    return Filter(name, written, chain, priority, parts, root.xml(), builtin), root.unread()


def _uuid(root: Element) -> str:
    given = root.child_text("uuid")
    if not given:
        return ""
    try:
        return str(uuids.UUID(given))
    except ValueError:
        raise root.bad(f"<uuid> is {given!r:.60}, expected a UUID") from None


def _part(element: Element) -> Rule | Reference:
    return _rule(element) if element.tag == "rule" else reference_from(element)


def reference_from(element: Element) -> Reference:
    """Read a <filterref>."""
    name = element.need("filter")
    if not NAME.match(name):
        raise element.bad(f"filter is {name!r:.60}, which cannot be the name of one")
    try:
        parameters = variables.gather((one.need("name"), one.need("value")) for one in element.children("parameter"))
    except ValueError as error:
        raise element.bad(str(error)) from None
    return Reference(name, parameters, element.line)


def _rule(element: Element) -> Rule:
    action = element.one_of("action", ACTIONS)
    direction = element.one_of("direction", (IN, OUT, BOTH))
    given = element.get("priority")
    priority = RULE_PRIORITY if given is None else element.whole(given, "priority", -PRIORITY_MAX, PRIORITY_MAX)
    states = element.one_of("statematch", ("true", "false", "1", "0"), "true") in {"true", "1"}
    children = list(element.children())
    if len(children) > 1:
        raise children[1].bad("a rule has one protocol; write one rule for each")
    if not children:
        return Rule(action, direction, priority, states, "", negated=False, tests=(), line=element.line)
    child = children[0]
    if child.tag not in PROTOCOLS:
        # A rule without the test that it was meant to have would be for all frames.
        raise Unsupported(f"rules for <{child.tag:.40}> are not supported (line {child.line})", subject=child.path)
    negated = child.one_of("match", ("yes", "no", "true", "false", "1", "0"), "yes") in {"no", "false", "0"}
    return Rule(action, direction, priority, states, child.tag, negated, _tests(child), element.line)


def _tests(child: Element) -> tuple[tuple[str, str], ...]:
    protocol = PROTOCOLS[child.tag]
    followers = {name for one in protocol.fields.values() for name in (one.mask, one.until) if name}
    for name in sorted(LATER & set(child.node.attrib)):
        raise Unsupported(f"'{name}' of <{child.tag}> is not supported (line {child.line})", subject=child.path)
    tests = []
    for name in [*protocol.fields, *sorted(followers), *sorted(protocol.extra)]:
        text = child.get(name)
        if text is not None:
            _check(child, protocol, name, text.strip())
            tests.append((name, text.strip()))
    child.get("comment")
    unknown = sorted(set(child.node.attrib) - {name for name, _ in tests} - {"match", "comment"})
    if unknown:
        raise Unsupported(f"'{unknown[0]:.40}' of <{child.tag}> is not supported (line {child.line})", subject=child.path)
    _check_together(child, protocol, dict(tests))
    return tuple(tests)


def _check(child: Element, protocol: Protocol, name: str, text: str) -> None:
    """Read a plain value now, so that whoever defines it hears of a mistake; variables are read with each port."""
    try:
        if name == "state":
            _check_states(text)
        elif name == "connlimit-above":
            child.whole(text, name, 0, 1 << 31)
        elif variables.access(text) is None and name in protocol.fields:
            protocol.fields[name].kind.read(text)
    except ValueError as error:
        raise child.bad(f"attribute '{name}' is {text!r:.60}: {error}") from None


def _check_states(text: str) -> None:
    if not set(text.split(",")) <= set(STATES):
        raise ValueError(f"expected states out of {', '.join(STATES)}")


def _check_together(child: Element, protocol: Protocol, tests: dict[str, str]) -> None:
    for name, one in protocol.fields.items():
        for follower in (one.mask, one.until):
            if follower and follower in tests and name not in tests:
                raise child.bad(f"attribute '{follower}' needs '{name}'")
    ports = {"srcportstart", "dstportstart"} & set(tests)
    if ports and child.tag in {"ip", "ipv6"} and "protocol" not in tests:
        raise child.bad(f"attribute '{min(ports)}' needs 'protocol', or it would be compared with any bytes")
