"""What is said of an interface that somebody else has changed."""

from __future__ import annotations

from dataclasses import replace

from tierhost.workers.interface.definition import Definition, Part
from tierhost.workers.interface.registry import Started
from tierhost.workers.interface.state import Link, World
from tierhost.workers.interface.vigil import what_is_wrong

PART = Part("br0", "bridge", mtu=1400, addresses=("10.0.0.1/24",), gateways=("10.0.0.9",), ports=(Part("e0", "ethernet"),))
STARTED = Started(Definition(PART, ""), {"br0": 900})
BRIDGE = Link("br0", 900, "bridge", mtu=1400, up=True, addresses=frozenset(PART.addresses), gateways=frozenset(PART.gateways))
CARD = Link("e0", 2, master="br0", up=True)


def wrong(*links: Link) -> str:
    return what_is_wrong(STARTED, World({link.name: link for link in links}))


def test_nothing_is_said_of_what_is_whole() -> None:
    assert wrong(BRIDGE, CARD) == ""


def test_what_is_missing_is_named() -> None:
    assert wrong(BRIDGE) == "'e0' is gone"
    assert wrong(CARD) == "'br0' is gone"
    assert wrong(BRIDGE, replace(CARD, master="")) == "'e0' is no port of 'br0'"
    assert wrong(replace(BRIDGE, index=5), CARD) == "'br0' is not ours"
    assert wrong(replace(BRIDGE, mtu=1500), CARD) == "the MTU of 'br0' is not 1400"
    bare = replace(BRIDGE, addresses=frozenset(), gateways=frozenset(), up=False)
    assert wrong(bare, CARD) == "'br0' has not the address 10.0.0.1/24, 'br0' is down, 'br0' does not route over 10.0.0.9"
    assert wrong(bare, replace(CARD, up=False)).endswith(", and 1 more")
