"""Filters out of XML: what is read, and what is refused."""

from __future__ import annotations

import pytest

from tierhost.ipc.errors import Code
from tierhost.workers.nwfilter.filter_xml import Reference, Rule, parse_filter
from tierhost.workers.runtime.definitions import BadDefinition, Unsupported

ACCEPT = "<rule action='accept' direction='in'>"


def read(inside: str, attributes: str = "") -> tuple[Rule | Reference, ...]:
    return parse_filter(f"<filter name='f' {attributes}>{inside}</filter>")[0].parts


def test_rules_and_references_keep_their_order() -> None:
    parts = read("<filterref filter='a'/><rule action='drop' direction='out'/><filterref filter='b'/>")
    assert [part.filter if isinstance(part, Reference) else part.action for part in parts] == ["a", "drop", "b"]


def test_what_is_not_said_is_as_libvirt_has_it() -> None:
    (rule,) = read("<rule action='accept' direction='inout'><tcp/></rule>")
    assert isinstance(rule, Rule)
    assert (rule.priority, rule.states, rule.negated) == (500, True, False)
    made, unread = parse_filter("<filter name='f'/>")
    assert (made.chain, made.priority, unread) == ("root", 0, [])


@pytest.mark.parametrize(
    ("chain", "priority"), [("mac", -800), ("arp-mine", -500), ("ipv4", -700), ("ipv6-x", -600), ("stp", -810)]
)
def test_a_chain_has_the_priority_of_its_kind(chain: str, priority: int) -> None:
    assert parse_filter(f"<filter name='f' chain='{chain}'/>")[0].priority == priority


def test_its_uuid_is_in_its_xml_and_a_given_one_stays() -> None:
    made, _ = parse_filter("<filter name='f'/>")
    again, _ = parse_filter(made.xml)
    assert again == made


def test_what_nobody_acts_on_is_told() -> None:
    _, unread = parse_filter("<filter name='f'><description>x</description></filter>")
    assert len(unread) == 1


@pytest.mark.parametrize("chain", ["ipv5", "root-x", "arp mine", "xmac", "", "ip", "mac-" + "x" * 40])
def test_a_chain_that_there_is_not_is_refused_by_name(chain: str) -> None:
    if not chain:
        assert parse_filter("<filter name='f' chain=''/>")[0].chain == "root"
        return
    with pytest.raises(BadDefinition, match=r"chain is .*expected one of root, stp, mac, vlan"):
        parse_filter(f"<filter name='f' chain='{chain}'/>")


@pytest.mark.parametrize(
    ("inside", "told"),
    [
        ("<rule action='maybe' direction='in'/>", "action"),
        ("<rule action='drop' direction='up'/>", "direction"),
        ("<rule action='drop' direction='in' priority='1001'/>", "priority"),
        ("<rule action='drop' direction='in' statematch='perhaps'/>", "statematch"),
        ("<rule action='drop' direction='in'><mac/><arp/></rule>", "one protocol"),
        (f"{ACCEPT}<mac srcmacaddr='52:54:00'/></rule>", "srcmacaddr.*expected a MAC address"),
        (f"{ACCEPT}<ip srcipaddr='10.0.0.256'/></rule>", "srcipaddr.*expected an IPv4 address"),
        (f"{ACCEPT}<ipv6 dstipaddr='10.0.0.1'/></rule>", "dstipaddr.*expected an IPv6 address"),
        (f"{ACCEPT}<ip protocol='tpc'/></rule>", "protocol.*tcp"),
        (f"{ACCEPT}<ip srcportstart='80'/></rule>", "'srcportstart' needs 'protocol'"),
        (f"{ACCEPT}<tcp dstportstart='65536'/></rule>", "dstportstart"),
        (f"{ACCEPT}<tcp dstportend='80'/></rule>", "'dstportend' needs 'dstportstart'"),
        (f"{ACCEPT}<tcp flags='SYN'/></rule>", "MASK/FLAGS"),
        (f"{ACCEPT}<tcp flags='SYN/XYZ'/></rule>", "TCP flags"),
        (f"{ACCEPT}<all state='OLD'/></rule>", "expected states"),
        (f"{ACCEPT}<arp opcode='Ask'/></rule>", "opcode"),
        (f"{ACCEPT}<vlan vlanid='4096'/></rule>", "vlanid"),
        (f"{ACCEPT}<ip srcipaddr='$'/></rule>", r"expected \$NAME"),
        (f"{ACCEPT}<ip srcipaddr='$IP[@]'/></rule>", r"expected \$NAME"),
        ("<filterref/>", "'filter' is missing"),
        ("<filterref filter='a b'/>", "cannot be the name"),
        ("<filterref filter='a'><parameter name='A-B' value='1'/></filterref>", "no name of a parameter"),
        ("<filterref filter='a'><parameter name='A' value='1;drop'/></filterref>", "no value of the parameter"),
        ("<uuid>12</uuid>", "UUID"),
    ],
)
def test_what_is_wrong_is_named(inside: str, told: str) -> None:
    with pytest.raises(BadDefinition, match=told):
        read(inside)


@pytest.mark.parametrize(
    ("inside", "told"),
    [
        (f"{ACCEPT}<dccp/></rule>", "rules for <dccp>"),
        (f"{ACCEPT}<arp gratuitous='yes'/></rule>", "'gratuitous' of <arp>"),
        (f"{ACCEPT}<all ipset='blocked' ipsetflags='src'/></rule>", "'ipset' of <all>"),
        (f"{ACCEPT}<mac srcmacadr='52:54:00:00:00:01'/></rule>", "'srcmacadr' of <mac>"),
    ],
)
def test_a_test_that_nobody_would_make_is_refused_for_the_rule_would_match_more(inside: str, told: str) -> None:
    with pytest.raises(Unsupported, match=told) as caught:
        read(inside)
    assert caught.value.code is Code.CONFIG_UNSUPPORTED


def test_more_rules_than_anybody_has_are_refused() -> None:
    with pytest.raises(BadDefinition, match="at most 4096"):
        read("<rule action='drop' direction='in'/>" * 4097)


@pytest.mark.parametrize("name", ["", "a b", "x" * 121, "../up", "a;b"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(BadDefinition, match="name"):
        parse_filter(f"<filter name='{name}'/>")
