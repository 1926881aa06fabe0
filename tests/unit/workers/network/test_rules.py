"""The filter table of a network, as commands."""

from __future__ import annotations

import json

from tierhost.workers.network.network_xml import parse_network
from tierhost.workers.network.rules import forward_rules, nat_rules, removal, table, table_name

UUID = "7a1f0f9e-6f4e-4a63-9a1c-2f6d1d2f0b01"
IP = "<ip address='192.168.150.1' prefix='24'/>"
IP6 = "<ip family='ipv6' address='fd00:150::1' prefix='64'/>"


def rules_of(inside: str) -> list[str]:
    definition = parse_network(f"<network><name>a</name><uuid>{UUID}</uuid><bridge name='br9'/>{inside}</network>")
    return [json.dumps(rule) for rule in forward_rules(definition)]


def test_the_table_is_put_in_place_of_whatever_it_was() -> None:
    definition = parse_network(f"<network><name>a</name><uuid>{UUID}</uuid>{IP}</network>")
    assert table(definition)[:2] == removal(UUID)
    assert table_name(UUID) == "tierhost_7a1f0f9e6f4e4a639a1c2f6d1d2f0b01"


def test_guests_of_an_isolated_network_reach_each_other_and_nobody_else() -> None:
    rules = rules_of(IP)
    assert len(rules) == 3
    assert [("accept" in rule, "reject" in rule) for rule in rules] == [(True, False), (False, True), (False, True)]


def test_only_answers_reach_a_translated_guest() -> None:
    inwards = [rule for rule in rules_of("<forward mode='nat'/>" + IP) if "daddr" in rule]
    assert len(inwards) == 1
    assert "established" in inwards[0]


def test_anybody_reaches_a_routed_guest() -> None:
    inwards = [rule for rule in rules_of("<forward mode='route'/>" + IP) if "daddr" in rule]
    assert len(inwards) == 1
    assert "established" not in inwards[0]


def test_a_network_bound_to_cards_goes_through_them_alone() -> None:
    assert all('"eth1"' in rule for rule in rules_of("<forward mode='route' dev='eth1'/>" + IP) if "addr" in rule)
    two = "<forward mode='route'><interface dev='eth1'/><interface dev='eth2'/></forward>"
    assert all('{"set": ["eth1", "eth2"]}' in rule for rule in rules_of(two + IP) if "addr" in rule)


def test_ipv6_is_translated_only_on_request() -> None:
    def translated(forward: str) -> int:
        definition = parse_network(f"<network><name>a</name><uuid>{UUID}</uuid>{forward}{IP}{IP6}</network>")
        return sum("masquerade" in json.dumps(rule) and "ip6" in json.dumps(rule) for rule in nat_rules(definition))

    assert translated("<forward mode='nat'/>") == 0
    assert translated("<forward mode='nat'><nat ipv6='yes'/></forward>") == 3


def test_addresses_to_translate_to_are_those_of_the_definition() -> None:
    nat = "<forward mode='nat'><nat><address start='10.0.0.5' end='10.0.0.9'/></nat></forward>"
    definition = parse_network(f"<network><name>a</name><uuid>{UUID}</uuid>{nat}{IP}</network>")
    assert (
        sum('"snat"' in json.dumps(rule) and '["10.0.0.5", "10.0.0.9"]' in json.dumps(rule) for rule in nat_rules(definition))
        == 3
    )
