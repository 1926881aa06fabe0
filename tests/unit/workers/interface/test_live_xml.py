"""What the kernel shows, written as libvirt's XML: read again, it means the same."""

from __future__ import annotations

from tierhost.workers.interface.interface_xml import read
from tierhost.workers.interface.live_xml import live_xml
from tierhost.workers.interface.state import Link, World

BRIDGE = Link("br0", 9, "bridge", "02:00:00:00:00:01", 1400, up=True, state="up", options={"stp": 1, "forward_delay": 150},
              addresses=frozenset({"10.0.0.1/24", "fd00::1/64"}), gateways=frozenset({"10.0.0.9"}))  # fmt: skip
CARD = Link("e0", 2, mac="02:00:00:00:00:02", master="b0", state="lowerlayerdown")
BOND = Link("b0", 10, "bond", master="br0", options={"mode": 4})
VLAN = Link("e1.5", 11, "vlan", master="br0", parent="e1", options={"tag": 5})


def test_a_bridge_is_shown_with_its_ports_and_theirs() -> None:
    world = World({link.name: link for link in (BRIDGE, CARD, BOND, VLAN)})
    part = read(live_xml(BRIDGE, world)).part
    assert (part.mtu, part.options, part.gateways) == (1400, {"stp": 1, "forward_delay": 150}, ("10.0.0.9",))
    assert part.addresses == ("10.0.0.1/24", "fd00::1/64")
    assert [(each.name, each.kind) for each in part.all()] == [
        ("br0", "bridge"),
        ("b0", "bond"),
        ("e0", "ethernet"),
        ("e1.5", "vlan"),
    ]


def test_what_stands_in_a_ring_ends() -> None:
    ring = World({"a": Link("a", 1, "bridge", master="b"), "b": Link("b", 2, "bridge", master="a")})
    assert live_xml(ring.links["a"], ring).count("<interface") < 10
