"""Libvirt's interface XML: what is read, what is told as unread, what is refused."""

from __future__ import annotations

import pytest

from tierhost.workers.interface.definition import Part
from tierhost.workers.interface.interface_xml import read
from tierhost.workers.runtime.contract import Code, DriverError

IP = "<protocol family='ipv4'><ip address='10.0.0.1' prefix='24'/></protocol>"
VLAN = "<interface type='vlan'{}><vlan tag='{}'><interface name='eth0'/></vlan></interface>"


def bond(inside: str, mode: str = "802.3ad") -> str:
    return (
        f"<interface type='bond' name='b0'><bond mode='{mode}'>{inside}<interface type='ethernet' name='e0'/></bond></interface>"
    )


def test_a_card_has_addresses_of_both_families_and_a_gateway() -> None:
    text = (
        "<interface type='ethernet' name='eth0'><start mode='onboot'/><mac address='52:54:00:AA:bb:cc'/><mtu size='1400'/>"
        "<protocol family='ipv4'><ip address='10.0.0.1' prefix='24'/><ip address='10.0.0.2'/>"
        "<route gateway='10.0.0.254'/></protocol>"
        "<protocol family='ipv6'><ip address='FD00:0::0001' prefix='64'/></protocol></interface>"
    )
    found = read(text, 1)
    assert found.onboot
    assert found.unread == ()
    addresses = ("10.0.0.1/24", "10.0.0.2/32", "fd00::1/64")
    assert found.part == Part("eth0", "ethernet", "52:54:00:aa:bb:cc", 1400, addresses, ("10.0.0.254",))


def test_a_vlan_is_named_after_what_it_stands_on() -> None:
    part = read(VLAN.format("", 7), 1).part
    assert (part.name, part.parent, part.options) == ("eth0.7", "eth0", {"tag": 7})
    assert read(VLAN.format(" name='lan'", 7)).part.name == "lan"


def test_a_bond_has_its_mode_and_how_links_are_watched() -> None:
    part = read(bond("<miimon freq='100' updelay='10' carrier='ioctl'/>"), 1).part
    assert part.options == {"mode": 4, "miimon": 100, "updelay": 10, "use_carrier": 0}
    assert [port.name for port in part.ports] == ["e0"]
    watched = read(bond("<arpmon interval='500' target='10.0.0.1' validate='all'/>", "active-backup")).part.options
    assert watched == {"mode": 1, "arp_interval": 500, "arp_targets": ["10.0.0.1"], "arp_validate": 3}


def test_a_bridge_may_stand_on_a_vlan_and_a_bond() -> None:
    inside = VLAN.format("", 7) + bond("") + "<interface type='ethernet' name='e1'/>"
    text = f"<interface type='bridge' name='br0'>{IP}<bridge stp='on' delay='1.5'>{inside}</bridge></interface>"
    part = read(text).part
    assert part.options == {"stp": 1, "forward_delay": 150}
    assert [each.name for each in part.all()] == ["br0", "eth0.7", "b0", "e0", "e1"]
    assert [each.name for each in part.all() if each.made] == ["br0", "eth0.7", "b0"]


def test_what_nobody_acts_on_is_told() -> None:
    text = "<interface type='ethernet' name='e0'><link speed='10'/><protocol family='ipv6'><autoconf/></protocol></interface>"
    assert read(text).unread == (
        "/interface/link (line 1)",
        "/interface/protocol/autoconf (line 1)",
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<interface type='tunnel' name='a'/>", "expected one of bridge, bond, vlan, ethernet"),
        ("<interface type='ethernet'/>", "name is None"),
        ("<interface type='ethernet' name='../x'/>", "name is"),
        ("<interface type='ethernet' name='..'/>", "name is"),
        ("<interface type='ethernet' name='sixteen-letters!'/>", "name is"),
        ("<interface type='ethernet' name='e'><mac address='1'/></interface>", "six pairs"),
        ("<interface type='ethernet' name='e'><mtu size='1'/></interface>", "size is 1, expected 68 to 65535"),
        ("<interface type='ethernet' name='e'><start mode='soon'/></interface>", "expected one of onboot"),
        ("<interface type='bridge' name='b'/>", "<bridge> is missing"),
        ("<interface type='bridge' name='b'><bridge delay='-1'/></interface>", "expected seconds"),
        ("<interface type='bond' name='b'><bond/></interface>", "at least one"),
        (bond("<miimon freq='1'/><arpmon interval='1' target='1.1.1.1'/>"), "exclude each other"),
        (bond("<interface type='vlan'/>"), "expected one of ethernet"),
        (bond(f"<interface type='ethernet' name='e1'>{IP}</interface>"), "a port has neither"),
        (bond("<interface type='ethernet' name='b0'/>"), "twice"),
        (VLAN.format("", 5000), "tag is 5000"),
        ("<interface type='ethernet' name='e'><protocol family='ipv4'><ip address='fd00::1'/></protocol></interface>", "no IPv4"),
        (f"<interface type='ethernet' name='e'>{IP}{IP}</interface>", "an address stands in it twice"),
        ("<!DOCTYPE a><interface type='ethernet' name='e'/>", "document type"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(text: str, says: str) -> None:
    with pytest.raises(DriverError, match=says) as caught:
        read(text)
    assert caught.value.code is Code.XML_ERROR


@pytest.mark.parametrize(
    "text",
    [
        "<interface type='ethernet' name='e'><protocol family='ipv4'><dhcp/></protocol></interface>",
        "<interface type='ethernet' name='e'><start mode='hotplug'/></interface>",
        "<interface type='bridge' name='b'><mac address='52:54:00:00:00:01'/><bridge/></interface>",
    ],
)
def test_what_would_be_half_done_is_refused(text: str) -> None:
    with pytest.raises(DriverError) as caught:
        read(text)
    assert caught.value.code is Code.CONFIG_UNSUPPORTED


def test_libvirts_schema_is_asked_only_on_request() -> None:
    text = "<interface type='ethernet' name='e'><odd/></interface>"
    assert read(text).unread == ("/interface/odd (line 1)",)
    with pytest.raises(DriverError) as caught:
        read(text, 1)
    assert caught.value.code in {Code.XML_INVALID_SCHEMA, Code.ARGUMENT_UNSUPPORTED}
