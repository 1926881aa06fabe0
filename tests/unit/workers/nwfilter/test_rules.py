"""The table of one port: chains in libvirt's order, and each test as the kernel is told it."""

from __future__ import annotations

from typing import Any

import pytest

from tierhost.workers.nwfilter.fields import PROTOCOLS
from tierhost.workers.nwfilter.filter_xml import Rule, parse_filter
from tierhost.workers.nwfilter.rules import CONNTRACK, REJECT, lacking, table
from tierhost.workers.nwfilter.state import Filters
from tierhost.workers.nwfilter.variables import Unresolvable
from tierhost.workers.runtime.definitions import Unsupported

ALL = frozenset({CONNTRACK, REJECT})


def commands(*inner: str, chain: str = "root", **variables: tuple[str, ...]) -> list[dict[str, Any]]:
    made, _ = parse_filter(f"<filter name='f' chain='{chain}'>{''.join(inner)}</filter>")
    return table("vnet0", "m", Filters({"f": made}).resolve("f", variables), replace=True)


def rules(chain: str, *inner: str, of: str = "root", **variables: tuple[str, ...]) -> list[list[Any]]:
    added = (command.get("add", {}) for command in commands(*inner, chain=of, **variables))
    found = [one["rule"]["expr"] for one in added if one.get("rule", {}).get("chain") == chain]
    # the first leaves the frames of other ports alone
    return found[1:] if chain in {"out", "in", "out-ip", "in-ip"} else found


def rule(inside: str, action: str = "drop", direction: str = "out", more: str = "") -> str:
    return f"<rule action='{action}' direction='{direction}' {more}>{inside}</rule>"


def compared(expressions: list[Any]) -> list[tuple[Any, str, Any]]:
    return [(one["match"]["left"], one["match"]["op"], one["match"]["right"]) for one in expressions if "match" in one]


def verdict(expressions: list[Any]) -> str:
    return str(next(iter(expressions[-1])))


SADDR = {"payload": {"protocol": "ether", "field": "saddr"}}
DADDR = {"payload": {"protocol": "ether", "field": "daddr"}}


def test_a_table_replaces_itself_or_is_new_and_carries_the_mark() -> None:
    made, _ = parse_filter("<filter name='f'/>")
    placed = Filters({"f": made}).resolve("f", {})
    assert [next(iter(one)) for one in table("vnet0", "m", placed, replace=True)[:3]] == ["add", "delete", "add"]
    fresh = table("vnet0", "m", placed, replace=False)
    assert next(iter(fresh[0])) == "create"
    assert fresh[1]["add"]["chain"]["name"] == "made_by_m"


def test_each_direction_has_its_hook_and_only_the_ports_own_frames() -> None:
    made = commands(rule("<mac/>"))
    chains = {one["add"]["chain"]["name"]: one["add"]["chain"] for one in made if "chain" in one.get("add", {})}
    assert (chains["out"]["hook"], chains["in"]["hook"]) == ("prerouting", "postrouting")
    first = next(one["add"]["rule"]["expr"] for one in made if one.get("add", {}).get("rule", {}).get("chain") == "out")
    assert compared(first) == [({"meta": {"key": "iifname"}}, "!=", "vnet0")]
    assert verdict(first) == "accept"


def test_chains_are_entered_between_the_rules_as_their_priorities_have_it() -> None:
    arp = parse_filter("<filter name='arp' chain='arp'><rule action='accept' direction='out'/></filter>")[0]
    mac = parse_filter("<filter name='mac' chain='mac-x'><rule action='return' direction='out'/></filter>")[0]
    inner = "<filterref filter='arp'/>" + rule("<mac/>", more="priority='-600'") + "<filterref filter='mac'/>" + rule("")
    root = parse_filter(f"<filter name='f'>{inner}</filter>")[0]
    made = table("vnet0", "m", Filters({one.name: one for one in (root, arp, mac)}).resolve("f", {}), replace=True)
    out = [one["add"]["rule"]["expr"] for one in made if one.get("add", {}).get("rule", {}).get("chain") == "out"]
    ends = [one[-1].get("jump", {}).get("target") or verdict(one) for one in out[1:]]
    assert ends == ["out-mac-x", "drop", "out-arp", "drop"]


def test_rules_of_one_priority_keep_their_order_and_lower_ones_come_first() -> None:
    inner = (rule("<mac/>", "accept"), rule("<mac/>", "drop"), rule("<mac/>", "return", more="priority='1'"))
    assert [verdict(one) for one in rules("out", *inner)] == ["return", "accept", "drop"]


def test_a_rule_for_both_ways_is_turned_around_for_what_the_guest_sends() -> None:
    inside = rule("<mac srcmacaddr='52:54:00:00:00:01'/>", direction="inout")
    assert compared(rules("in", inside)[0]) == [(SADDR, "==", "52:54:00:00:00:01")]
    assert compared(rules("out", inside)[0]) == [(DADDR, "==", "52:54:00:00:00:01")]


def test_arp_fields_are_turned_around_too() -> None:
    inside = rule("<arp arpsrcipaddr='10.0.0.1' arpdstmacaddr='52:54:00:00:00:01'/>", direction="inout")
    offsets = [left["payload"].get("offset") for left, _, _ in compared(rules("out", inside)[0])]
    assert offsets == [None, 192, 64]


def test_a_negated_rule_negates_each_of_its_tests_and_not_what_it_is_for() -> None:
    (one,) = rules("out", rule("<ip match='no' srcipaddr='10.0.0.1'/>"))
    assert [op for _, op, _ in compared(one)] == ["==", "!="]


def test_masks_are_applied_to_the_value_as_well() -> None:
    (one,) = rules("out", rule("<mac srcmacaddr='52:54:00:aa:bb:cc' srcmacmask='ff:ff:ff:00:00:00'/>"))
    assert compared(one) == [({"&": [SADDR, "ff:ff:ff:00:00:00"]}, "==", "52:54:00:00:00:00")]
    (two,) = rules("out", rule("<ip srcipaddr='10.1.2.3' srcipmask='255.255.0.0'/>"))
    assert compared(two)[1][2] == {"prefix": {"addr": "10.1.0.0", "len": 16}}
    (three,) = rules("out", rule("<ipv6 srcipaddr='fe80::1' srcipmask='ffc0::'/>"))
    assert compared(three)[1][2] == {"prefix": {"addr": "fe80::", "len": 10}}
    (four,) = rules("out", rule("<arp arpsrcipaddr='10.1.2.3' arpsrcipmask='24'/>"))
    assert compared(four)[1][1:] == ("==", 0x0A010200)


def test_ranges_and_names_are_read() -> None:
    (one,) = rules("out", rule("<ip protocol='udp' srcportstart='67' srcportend='68' dscp='0x2e'/>"))
    assert [right for _, _, right in compared(one)] == [0x0800, 17, {"range": [67, 68]}, 0x2E]


def test_flags_of_tcp_are_compared_under_their_mask() -> None:
    (one,) = rules("out-ip", rule("<tcp flags='SYN,ACK/SYN'/>"))
    assert compared(one)[-1] == ({"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, 18]}, "==", 2)


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_every_element_makes_a_rule(name: str) -> None:
    inside = f"<{name}/>" if name else ""
    chain = "out-ip" if PROTOCOLS[name].ip else "out"
    (one,) = rules(chain, rule(inside, more="statematch='false'"))
    assert verdict(one) == "drop"
    assert compared(one) == compared(list(PROTOCOLS[name].gate))


def test_a_list_makes_one_rule_for_each_value() -> None:
    made = rules("out", rule("<ip srcipaddr='$IP'/>"), IP=("10.0.0.1", "10.0.0.2"))
    assert [compared(one)[1][2] for one in made] == ["10.0.0.1", "10.0.0.2"]


def test_a_value_of_the_wrong_kind_is_told_with_filter_rule_and_value() -> None:
    with pytest.raises(Unresolvable, match=r"'srcipaddr' of <ip> \(line 1\) becomes 'fe80::1'") as caught:
        commands(rule("<ip srcipaddr='$IP'/>"), IP=("fe80::1",))
    assert caught.value.subject == "filter f"


def test_rules_of_frames_drop_what_they_should_reject_as_libvirt_does() -> None:
    assert verdict(rules("out", rule("<mac/>", "reject"))[0]) == "drop"


def test_packets_are_answered_where_they_come_in_and_dropped_towards_the_guest() -> None:
    inside = rule("<tcp/>", "reject", "inout")
    assert verdict(rules("out-ip", inside)[0]) == "reject"
    assert verdict(rules("in-ip", inside)[0]) == "drop"


def test_a_packet_rule_is_for_both_ways_with_ports_turned_around() -> None:
    inside = rule("<tcp dstportstart='22'/>", "accept", "in", "statematch='false'")
    assert compared(rules("in-ip", inside)[0])[-1][0] == {"payload": {"protocol": "th", "field": "dport"}}
    assert compared(rules("out-ip", inside)[0])[-1][0] == {"payload": {"protocol": "th", "field": "sport"}}


def test_with_states_only_answers_go_against_the_direction() -> None:
    inside = rule("<tcp/>", "accept", "out")
    (own,), (back,) = rules("out-ip", inside), rules("in-ip", inside)
    assert compared(own)[2:] == [
        ({"ct": {"key": "state"}}, "in", ["new", "established"]),
        ({"ct": {"key": "direction"}}, "==", "original"),
    ]
    assert compared(back)[2:] == [
        ({"ct": {"key": "state"}}, "in", ["established"]),
        ({"ct": {"key": "direction"}}, "==", "reply"),
    ]


def test_listed_states_and_message_types_are_for_the_named_way_only() -> None:
    for inside in ("<tcp state='NEW'/>", "<icmp type='8'/>"):
        assert len(rules("out-ip", rule(inside))) == 1
        assert rules("in-ip", rule(inside)) == []


def test_the_guests_mac_is_no_test_of_what_comes_back() -> None:
    inside = rule("<all srcmacaddr='52:54:00:00:00:01'/>")
    assert len(rules("out-ip", inside)) == 1
    assert rules("in-ip", inside) == []


@pytest.mark.parametrize(
    ("inside", "feature", "told"),
    [
        (rule("<tcp/>", "accept"), CONNTRACK, r"statematch \(direction 'out'\) of <tcp> \(line 1\)"),
        (rule("<udp state='NEW'/>"), CONNTRACK, "'state' of <udp>"),
        (rule("<tcp connlimit-above='3'/>"), CONNTRACK, "'connlimit-above' of <tcp>"),
        (rule("<all/>", "reject"), REJECT, "action 'reject' of <all>"),
    ],
)
def test_what_the_kernel_lacks_is_told_with_the_element_that_needs_it(inside: str, feature: str, told: str) -> None:
    parts = [part for part in parse_filter(f"<filter name='f'>{inside}</filter>")[0].parts if isinstance(part, Rule)]
    lacking(parts, ALL)
    with pytest.raises(Unsupported, match=told):
        lacking(parts, ALL - {feature})


@pytest.mark.parametrize(
    "inside",
    [
        rule("<tcp/>", "accept", more="statematch='false'"),
        rule("<tcp/>", "drop"),
        rule("<tcp/>", "accept", "inout"),
        rule("<tcp state='NONE'/>", "accept"),
        rule("<mac/>", "reject"),
    ],
)
def test_what_needs_nothing_works_on_every_kernel(inside: str) -> None:
    lacking(
        [part for part in parse_filter(f"<filter name='f'>{inside}</filter>")[0].parts if isinstance(part, Rule)], frozenset()
    )


def test_more_rules_than_a_port_may_have_are_refused() -> None:
    many = tuple(f"10.0.{number >> 8}.{number & 255}" for number in range(1024))
    with pytest.raises(Unresolvable, match="more than 4096 rules"):
        commands(*[rule("<ip srcipaddr='$IP'/>")] * 5, IP=many)
