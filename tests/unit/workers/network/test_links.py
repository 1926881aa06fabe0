"""What a bridge is dressed in, and names of devices."""

from __future__ import annotations

from tierhost.workers.network.links import dress_lines, exists
from tierhost.workers.network.network_xml import parse_network
from tierhost.workers.network.taps import tap_mac


def test_a_bridge_gets_its_addresses_before_it_is_let_up_and_its_routes_after() -> None:
    definition = parse_network(
        "<network><name>a</name><bridge name='br9' stp='off'/><mtu size='9000'/><ip address='192.168.150.1' prefix='24'/>"
        "<ip family='ipv6' address='fd00:150::1' prefix='64'/>"
        "<route address='10.9.0.0' prefix='16' gateway='192.168.150.2'/></network>"
    )
    assert dress_lines(definition) == [
        "link set dev br9 type bridge stp_state 0",
        "link set dev br9 mtu 9000",
        "addr replace 192.168.150.1/24 broadcast + dev br9",
        "addr replace fd00:150::1/64 nodad dev br9",
        "link set dev br9 up",
        "route replace 10.9.0.0/16 via 192.168.150.2 dev br9 metric 1",
    ]


def test_the_loopback_exists_and_nonsense_does_not() -> None:
    assert exists("lo")
    assert not exists("no such dev")


def test_the_hosts_end_of_a_card_has_a_mac_no_bridge_takes_for_its_own() -> None:
    assert tap_mac("52:54:00:00:00:01") == "fe:54:00:00:00:01"
