"""The nftables table of one port, as JSON commands: chains and rules out of filters. Pure.

Frames from the guest go through `out` (and then, where there are IP rules, `out-ip`), frames to it through `in` and `in-ip`; the
other chains are libvirt's: named by filters, entered by the frames they are for, left at their end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.nwfilter import values
from tierhost.workers.nwfilter.fields import CHAINS, Expression, equal
from tierhost.workers.nwfilter.filter_xml import BOTH, IN, OUT
from tierhost.workers.nwfilter.state import RULES_OF_PORT_MAX
from tierhost.workers.nwfilter.variables import Unresolvable, combinations
from tierhost.workers.runtime.contract import Code
from tierhost.workers.runtime.definitions import Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tierhost.workers.nwfilter.fields import Field
    from tierhost.workers.nwfilter.filter_xml import Rule
    from tierhost.workers.nwfilter.state import Placed

Command = dict[str, Any]

FAMILY: Final = "bridge"
PREFIX: Final = "tierhost_nwf_"
MARK: Final = "made_by_"

CONNTRACK: Final = "conntrack"
REJECT: Final = "reject"

HOOKS: Final = {OUT: ("prerouting", -300, -150, "iifname"), IN: ("postrouting", 300, 299, "oifname")}
"""Where each direction is looked at: the hook, the priority for frames, that for IP packets (tracked by then), the device."""

NO_REJECT_HOOK: Final = IN
"""Bridges can answer where a frame comes in, and only there: towards the guest a reject is a drop."""


def table_name(port_dev: str) -> str:
    """The port's own table."""
    return f"{PREFIX}{port_dev}"


def table_key(port_dev: str) -> dict[str, str]:
    """The table, as nft's JSON names it."""
    return {"family": FAMILY, "name": table_name(port_dev)}


def removal(port_dev: str) -> list[Command]:
    """Commands that leave no table of this name, whether there is one or not."""
    return [{"add": {"table": table_key(port_dev)}}, {"delete": {"table": table_key(port_dev)}}]


def lacking(rules: Iterable[Rule], features: frozenset[str]) -> None:
    """Raise Unsupported, naming the first element that needs what this kernel does not have."""
    for rule in rules:
        for feature, what, hint in _needs(rule):
            if feature not in features:
                reason = f"{what} of {rule.told} needs {_TOLD[feature]}, which this kernel does not have"
                raise Unsupported(reason, subject=rule.told, hint=hint)


_TOLD: Final = {
    CONNTRACK: "connection tracking on bridges (nf_conntrack_bridge)",
    REJECT: "rejecting on bridges (nft_reject_bridge)",
}


def _needs(rule: Rule) -> Iterator[tuple[str, str, str]]:
    """What of the kernel a rule needs, which part of it, and what can be written instead."""
    if not rule.of.ip:
        return
    if rule.action == "reject":
        yield REJECT, "action 'reject'", "write action='drop'"
    if rule.get("connlimit-above"):
        yield CONNTRACK, "'connlimit-above'", "load the module nf_conntrack_bridge, or leave it out"
    if _listed_states(rule):
        yield CONNTRACK, "'state'", "load the module nf_conntrack_bridge, or leave it out"
    elif _by_state(rule):
        hint = "write statematch='false': the rule is then for both ways, whoever began"
        yield CONNTRACK, f"statematch (direction '{rule.direction}')", hint


def _listed_states(rule: Rule) -> list[str]:
    """The states a rule names, if it looks at states."""
    named = [one for one in rule.get("state").split(",") if one and one != "NONE"]
    return [one.lower() for one in named] if rule.states else []


def _by_state(rule: Rule) -> bool:
    """Whether only answers are accepted against the rule's direction."""
    return rule.states and rule.action == "accept" and rule.direction != BOTH and not rule.get("state")


def table(port_dev: str, mark: str, placed: Sequence[Placed], *, replace: bool) -> list[Command]:
    """Commands that make the port's table: in place of the one that is there, or failing if there is one."""
    key = table_key(port_dev)
    commands: list[Command] = [*removal(port_dev), {"add": {"table": key}}] if replace else [{"create": {"table": key}}]
    commands.append(_chain(port_dev, f"{MARK}{mark}"))
    frames = [one for one in placed if not one.rule.of.ip]
    packets = [one for one in placed if one.rule.of.ip]
    for direction in (OUT, IN):
        commands += _frame_chains(port_dev, direction, frames)
        if packets:
            commands += _packet_chain(port_dev, direction, packets)
    if count_rules(commands) > RULES_OF_PORT_MAX:
        raise Unresolvable(f"its lists make more than {RULES_OF_PORT_MAX} rules for one port", code=Code.OVERFLOW)
    return commands


def count_rules(commands: Iterable[Command]) -> int:
    """How many rules the commands make."""
    return sum("rule" in command.get("add", ()) for command in commands)


def _chain(port_dev: str, name: str, **base: Any) -> Command:
    return {"add": {"chain": {"family": FAMILY, "table": table_name(port_dev), "name": name, **base}}}


def _rule(port_dev: str, chain: str, expressions: list[Expression]) -> Command:
    return {"add": {"rule": {"family": FAMILY, "table": table_name(port_dev), "chain": chain, "expr": expressions}}}


def _base(port_dev: str, direction: str, name: str, priority: int) -> list[Command]:
    """A chain that the kernel calls; the frames of other ports leave it at once."""
    hook, _, _, device = HOOKS[direction]
    return [
        _chain(port_dev, name, type="filter", hook=hook, prio=priority, policy="accept"),
        _rule(port_dev, name, [equal({"meta": {"key": device}}, port_dev, negated=True), _verdict("accept")]),
    ]


def _verdict(action: str) -> Expression:
    return {action: None}


# Rules for frames, in libvirt's chains.


def _frame_chains(port_dev: str, direction: str, frames: Sequence[Placed]) -> list[Command]:
    mine = sorted((one for one in frames if one.rule.direction in {direction, BOTH}), key=lambda one: one.rule.priority)
    chains: dict[str, int] = {}
    for one in mine:
        if one.chain != "root":
            chains[one.chain] = min(one.chain_priority, chains.get(one.chain, one.chain_priority))
    inner = [
        _rule(port_dev, _name(direction, one.chain), rule)
        for one in mine
        if one.chain != "root"
        for rule in _frames(one, direction)
    ]
    made = [_chain(port_dev, _name(direction, chain)) for chain in chains]
    outer = _base(port_dev, direction, direction, HOOKS[direction][1])
    waiting = sorted(chains, key=lambda chain: chains[chain])
    for one in mine:
        if one.chain != "root":
            continue
        while waiting and chains[waiting[0]] <= one.rule.priority:
            outer.append(_jump(port_dev, direction, waiting.pop(0)))
        outer += [_rule(port_dev, direction, rule) for rule in _frames(one, direction)]
    outer += [_jump(port_dev, direction, chain) for chain in waiting]
    return [*made, *inner, *outer]


def _name(direction: str, chain: str) -> str:
    # nft reads no colon in a name
    return f"{direction}-{chain.replace(':', '/')}"


def _jump(port_dev: str, direction: str, chain: str) -> Command:
    _, gate = CHAINS[chain.partition("-")[0]]
    return _rule(port_dev, direction, [*gate, {"jump": {"target": _name(direction, chain)}}])


def _frames(one: Placed, direction: str) -> list[list[Expression]]:
    """What one rule is in one direction. A rule for both ways is written as seen by the guest: for frames to it."""
    rule = one.rule
    turned = rule.direction == BOTH and direction == OUT
    # On this level libvirt does not reject but drops.
    verdict = _verdict("drop" if rule.action == "reject" else rule.action)
    return [[*rule.of.gate, *tests, verdict] for tests in _tests(one, turned=turned)]


# Rules for IP packets: each is for both ways, turned around for the one that it does not name.


def _packet_chain(port_dev: str, direction: str, packets: Sequence[Placed]) -> list[Command]:
    name = f"{direction}-ip"
    commands = _base(port_dev, direction, name, HOOKS[direction][2])
    for one in sorted(packets, key=lambda one: one.rule.priority):
        commands += [_rule(port_dev, name, rule) for rule in _packets(one, direction)]
    return commands


def _packets(one: Placed, direction: str) -> list[list[Expression]]:
    rule = one.rule
    own = rule.direction in {direction, BOTH}
    turned = direction == OUT if rule.direction == BOTH else not own
    # What kind of message, or in what state, is said of one way only.
    if not own and (rule.get("type") or _listed_states(rule)):
        return []
    verdict = "drop" if rule.action == "reject" and direction == NO_REJECT_HOOK else rule.action
    after = [*_state(rule, own=own), *_limit(rule), _verdict(verdict)]
    return [
        [*rule.of.gate, *tests, *after]
        for tests in _tests(one, turned=turned)
        if tests or not (turned and rule.get("srcmacaddr"))
    ]


def _state(rule: Rule, *, own: bool) -> list[Expression]:
    listed = _listed_states(rule)
    if listed:
        return [_in_state(listed)]
    if not _by_state(rule):
        return []
    if rule.get("type"):
        return [_in_state(["new", "established"])]
    way = equal({"ct": {"key": "direction"}}, "original" if own else "reply")
    return [_in_state(["new", "established"] if own else ["established"]), way]


def _in_state(states: list[str]) -> Expression:
    return {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": states}}


def _limit(rule: Rule) -> list[Expression]:
    most = rule.get("connlimit-above")
    return [{"ct count": {"val": int(most), "inv": True}}] if most else []


# The tests of one rule.


def _tests(one: Placed, *, turned: bool) -> list[list[Expression]]:
    """The comparisons of one rule, once for each combination of its variables' values."""
    rule = one.rule
    texts = dict(rule.tests)
    try:
        return [
            [
                _compared(one, name, name_turned, {**texts, **{key: chosen.get(text, text) for key, text in texts.items()}})
                for name in rule.of.fields
                if name in texts
                for name_turned in [_turned(name) if turned else name]
                # what comes back to the guest has not its address as its source
                if not (rule.of.ip and turned and name == "srcmacaddr")
            ]
            for chosen in combinations(texts.values(), one.variables)
        ]
    except Unresolvable as error:
        error.subject = error.subject or f"filter {one.filter}, {rule.told}"
        raise


def _compared(one: Placed, name: str, place: str, texts: dict[str, str]) -> Expression:
    fields = one.rule.of.fields
    value_of, left = fields[name], fields.get(place, fields[name]).left
    try:
        return _comparison(value_of, left, name, texts, negated=one.rule.negated)
    except ValueError as error:
        reason = f"'{name}' of {one.rule.told} becomes {texts[name]!r:.60} for this port: {error}"
        raise Unresolvable(reason, subject=f"filter {one.filter}") from None


def _comparison(one: Field, left: Expression, name: str, texts: dict[str, str], *, negated: bool) -> Expression:
    value = one.kind.read(texts[name])
    if one.kind is values.BOOLEAN_FLAGS:
        mask, _, flags = str(value).partition("/")
        return equal({"&": [left, int(mask)]}, int(flags), negated=negated)
    if one.mask and one.mask in texts and one.kind.masked is not None:
        return equal(*one.kind.masked(left, value, texts[one.mask]), negated=negated)
    if one.until and one.until in texts:
        return equal(left, {"range": [value, one.kind.read(texts[one.until])]}, negated=negated)
    return equal(left, value, negated=negated)


def _turned(name: str) -> str:
    """The same attribute seen from the other side."""
    for here, there in (("src", "dst"), ("dst", "src")):
        for front in ("", "arp"):
            if name.startswith(front + here):
                return front + there + name.removeprefix(front + here)
    return name
