"""The steps that start and stop an interface: their order, and when each holds."""

from __future__ import annotations

from dataclasses import replace

from tierhost.workers.interface.definition import Part
from tierhost.workers.interface.state import Link, Seen, World
from tierhost.workers.interface.steps import (
    Address,
    Attach,
    Delete,
    Gateway,
    Make,
    Mtu,
    Switch,
    look,
    obstacle,
    pending,
    picture,
    start_steps,
    stop_steps,
)

CARD = Part("e0", "ethernet", mtu=1400, addresses=("10.0.0.1/24",), gateways=("10.0.0.9",))
BRIDGE = Part(
    "br0", "bridge", options={"stp": 0}, ports=(Part("e0", "ethernet"), Part("e1.5", "vlan", parent="e1", options={"tag": 5}))
)
INDEXES = {"br0": 900, "e1.5": 901}
E0 = Link("e0", 2)


def world(*links: Link) -> World:
    return World({link.name: link for link in links})


def started() -> World:
    ports = (replace(E0, master="br0", up=True), Link("e1.5", 901, master="br0", up=True, parent="e1"))
    return world(Link("br0", 900, up=True), Link("e1", 3), *ports)


def test_a_bond_takes_its_cards_while_they_are_down() -> None:
    bond = Part("b0", "bond", ports=(Part("e0", "ethernet"),))
    assert start_steps(bond, {"b0": 7}) == [
        Make("b0", "bond", 7, {}),
        Switch("e0", up=False, unless="b0"),
        Attach("e0", "b0"),
        Switch("e0", up=True),
        Switch("b0", up=True),
    ]
    taken = world(Link("b0", 7, up=True), replace(E0, up=True, master="b0"))
    assert pending(start_steps(bond, {"b0": 7}), taken) == []


def test_a_route_needs_a_device_that_is_up() -> None:
    assert start_steps(CARD, {}) == [
        Mtu("e0", 1400),
        Address("e0", "10.0.0.1/24"),
        Switch("e0", up=True),
        Gateway("e0", "10.0.0.9"),
    ]


def test_what_a_bridge_stands_on_is_made_before_it_is_taken() -> None:
    names = [(type(step).__name__, step.name) for step in start_steps(BRIDGE, INDEXES)]
    assert names == [
        ("Make", "br0"),
        ("Attach", "e0"),
        ("Switch", "e0"),
        ("Make", "e1.5"),
        ("Switch", "e1.5"),
        ("Attach", "e1.5"),
        ("Switch", "e1.5"),
        ("Switch", "br0"),
    ]
    assert pending(start_steps(BRIDGE, INDEXES), started()) == []


def test_stopping_removes_what_was_made_and_sets_back_what_was_there() -> None:
    before = picture(BRIDGE, world(E0, Link("e1", 3)))
    assert before == {"e0": {"index": 2, "up": False, "mtu": 1500}}
    steps = pending(stop_steps(BRIDGE, INDEXES, before, started()), started())
    assert [(type(step).__name__, step.name) for step in steps] == [
        ("Delete", "br0"),
        ("Detach", "e0"),
        ("Switch", "e0"),
        ("Detach", "e1.5"),
        ("Delete", "e1.5"),
    ]


def test_another_card_of_the_same_name_is_not_set_back() -> None:
    before = {"e0": {"index": 77, "up": False, "mtu": 9000}}
    there = world(replace(E0, up=True))
    assert pending(stop_steps(CARD, {}, before, there), there) == []


def test_a_device_of_our_name_with_another_index_is_not_ours() -> None:
    theirs = world(Link("br0", 5))
    assert Delete("br0", 900).holds(theirs)
    assert not Make("br0", "bridge", 900, {}).holds(theirs)
    assert pending(stop_steps(BRIDGE, INDEXES, {}, theirs), theirs) == []


def test_an_interface_is_seen_whole_partial_absent_or_foreign() -> None:
    assert look(BRIDGE, INDEXES, started()) is Seen.WHOLE
    assert look(BRIDGE, INDEXES, world(E0)) is Seen.ABSENT
    assert look(BRIDGE, INDEXES, world(E0, Link("e1.5", 901))) is Seen.PARTIAL
    assert look(BRIDGE, INDEXES, world(E0, Link("br0", 900, up=True))) is Seen.PARTIAL
    assert look(BRIDGE, INDEXES, world(E0, Link("br0", 5))) is Seen.FOREIGN
    assert look(CARD, {}, world(E0)) is Seen.ABSENT
    assert look(CARD, {}, world(replace(E0, up=True))) is Seen.PARTIAL
    assert look(replace(CARD, mac="aa:aa:aa:aa:aa:aa"), {}, world(replace(E0, mac="bb:bb:bb:bb:bb:bb"))) is Seen.FOREIGN


def test_nothing_is_in_the_way_of_what_can_be_started() -> None:
    assert obstacle(BRIDGE, world(E0, Link("e1", 3))) == ""
    assert obstacle(CARD, world(E0)) == ""
