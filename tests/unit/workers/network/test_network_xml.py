"""Network definitions: what is read, kept, reported and refused."""

from __future__ import annotations

import pytest

from tierhost.workers.network.definition import Bridge, DhcpHost, NetworkDefinition, Range
from tierhost.workers.network.network_xml import completed, describe, parse_network
from tierhost.workers.runtime.definitions import BadDefinition, Unsupported

UUID = "7a1f0f9e-6f4e-4a63-9a1c-2f6d1d2f0b01"
IP = "<ip address='192.168.150.1' netmask='255.255.255.0'>{}</ip>"
DHCP = "<dhcp>{}</dhcp>"


def read(inside: str = "", name: str = "lab") -> NetworkDefinition:
    return parse_network(f"<network><name>{name}</name><uuid>{UUID}</uuid>{inside}</network>")


def test_the_default_network_of_libvirt_is_read_whole() -> None:
    found = read(
        "<forward mode='nat'><nat><port start='1024' end='65535'/></nat></forward><bridge name='virbr0' stp='on' delay='0'/>"
        "<mac address='52:54:00:0a:cd:21'/>" + IP.format(DHCP.format("<range start='192.168.150.2' end='192.168.150.254'/>"))
    )
    assert (found.forward.mode, found.forward.nat_ports, found.bridge) == ("nat", (1024, 65535), Bridge("virbr0"))
    assert found.mac == "52:54:00:0a:cd:21"
    (ip,) = found.ips
    assert (str(ip.interface), [str(end) for end in (ip.ranges[0].start, ip.ranges[0].end)]) == (
        "192.168.150.1/24",
        ["192.168.150.2", "192.168.150.254"],
    )
    assert (found.is_filtered, found.is_served, found.makes_bridge) == (True, True, True)
    assert found.unread == ()


def test_a_network_without_a_mac_has_always_the_same() -> None:
    assert read().mac == read().mac != read(IP.format("")).xml
    assert read().mac.startswith("52:54:00:")


def test_what_was_written_is_read_again_as_the_same() -> None:
    found = completed(read(IP.format("")), "virbr3")
    again = parse_network(found.xml)
    assert again == found
    assert '<bridge name="virbr3"/>' in found.xml
    assert 'connections="2"' in describe(found, 2)
    assert parse_network(describe(found, 2)) == found


def test_hosts_and_leases_are_read() -> None:
    host = "<host mac='52:54:00:00:00:0A' name='web' ip='192.168.150.5'><lease expiry='2' unit='hours'/></host>"
    lease = "<range start='192.168.150.10' end='192.168.150.20'><lease expiry='0'/></range>"
    (ip,) = read(IP.format(DHCP.format(lease + host))).ips
    assert ip.hosts == (DhcpHost(ip.hosts[0].address, "52:54:00:00:00:0a", "web", "", 7200),)
    assert isinstance(ip.ranges[0], Range)
    assert ip.ranges[0].lease_s == 2**32 - 2


def test_an_isolated_network_without_addresses_needs_nothing() -> None:
    found = read()
    assert (found.is_filtered, found.is_served) == (False, False)


def test_a_network_with_addresses_and_nothing_to_hand_out_needs_no_dnsmasq() -> None:
    assert not read(IP.format("")).is_served
    assert read(IP.format("") + "<dns><host ip='192.168.150.9'><hostname>db</hostname></host></dns>").is_served


def test_unknown_elements_are_kept_and_reported() -> None:
    found = read("<bandwidth><inbound average='1000'/></bandwidth>")
    assert found.unread == ("/network/bandwidth (line 1)",)
    assert "average" in found.xml


@pytest.mark.parametrize(
    "inside",
    [
        "<virtualport type='openvswitch'/>",
        "<vlan><tag id='42'/></vlan>",
        "<portgroup name='a'/>",
        "<forward mode='hostdev'><pf dev='eth0'/></forward>",
        "<forward mode='vepa'/>",
        "<forward mode='bridge'><interface dev='eth0'/></forward>",
        "<bridge name='br0' zone='public'/>",
    ],
)
def test_what_keeps_guests_apart_and_is_not_done_here_is_refused(inside: str) -> None:
    with pytest.raises(Unsupported):
        read(inside)


@pytest.mark.parametrize(
    ("inside", "words"),
    [
        ("<bridge name='a b'/>", "cannot be a network device"),
        ("<bridge name='sixteen-letters-'/>", "cannot be a network device"),
        ("<mac address='01:00:5e:00:00:01'/>", "not the MAC address of a card"),
        ("<forward mode='nat'/>", "needs an <ip>"),
        ("<forward mode='bridge'/>", "names it in <bridge"),
        ("<forward mode='bridge'/><bridge name='br0'/>" + IP.format(""), "no addresses"),
        ("<ip address='192.168.150.256'/>", "not an IP address"),
        ("<ip address='192.168.150.1' prefix='33'/>", "no network"),
        ("<ip address='224.0.0.1' prefix='24'/>", "cannot be the address of a bridge"),
        (IP.format(DHCP.format("<range start='192.168.151.2' end='192.168.150.9'/>")), "not in the network"),
        (IP.format(DHCP.format("<range start='192.168.150.9' end='192.168.150.2'/>")), "behind end"),
        (IP.format(DHCP.format("<host mac='nonsense' ip='192.168.150.2'/>")), "not a MAC address"),
        (IP.format(DHCP.format("<host ip='192.168.150.2'/>")), "known by its mac"),
        (IP.format(DHCP.format("<host name='a' ip='192.168.150.1'/>")), "own address"),
        (IP.format(DHCP.format("<host name='a' ip='192.168.150.2'/><host name='b' ip='192.168.150.2'/>")), "the same address"),
        (IP.format(DHCP.format("<host name='a,b' ip='192.168.150.2'/>")), "not a host name"),
        (IP.format(DHCP.format("<bootp file='a,b'/>")), "plain characters"),
        (IP.format("") + IP.format(""), "overlap"),
        (IP.format("") + "<dns><host ip='x'><hostname>a</hostname></host></dns>", "not an IP address"),
        (IP.format("") + "<dns><txt name='a' value='say &quot;no&quot;'/></dns>", "quotation marks"),
        (IP.format("") + "<dns><txt name='a' value='a&#10;address=/#/6.6.6.6'/></dns>", "unprintable"),
        ("<dns><host ip='192.168.150.9'><hostname>db</hostname></host></dns>", "needs an <ip>"),
        (IP.format("") + "<route address='10.0.0.0' prefix='8' gateway='10.1.1.1'/>", "none of the network's own"),
        ("<domain name='-x\n'/>", "not a host name"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(inside: str, words: str) -> None:
    with pytest.raises(BadDefinition, match=words):
        read(inside)


@pytest.mark.parametrize("name", ["", "a/b", "..", "x" * 256])
def test_names_that_cannot_be_are_refused(name: str) -> None:
    with pytest.raises(BadDefinition, match="name"):
        read(name=name)
