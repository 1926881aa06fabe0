"""dnsmasq's configuration, and its leases."""

from __future__ import annotations

from tierhost.workers.network.dnsmasq_config import Places, config, parse_leases
from tierhost.workers.network.network_xml import parse_network

PLACES = Places("/run/pid", "/state/leases", "nobody")
UUID = "7a1f0f9e-6f4e-4a63-9a1c-2f6d1d2f0b01"


def lines(inside: str) -> list[str]:
    return config(
        parse_network(f"<network><name>a</name><uuid>{UUID}</uuid><bridge name='br9'/>{inside}</network>"), PLACES
    ).splitlines()


DHCP = "<ip address='192.168.150.1' prefix='24'><dhcp>{}</dhcp></ip>"
RANGE = "<range start='192.168.150.10' end='192.168.150.20'/>"


def test_it_listens_on_its_bridge_alone_and_is_nobody() -> None:
    found = lines(DHCP.format(RANGE))
    assert {"interface=br9", "except-interface=lo", "bind-dynamic", "user=nobody", "pid-file=/run/pid"} <= set(found)


def test_ranges_and_hosts_are_handed_out() -> None:
    found = lines(DHCP.format(RANGE + "<host mac='52:54:00:00:00:01' name='web' ip='192.168.150.5'/>"))
    assert "dhcp-range=192.168.150.10,192.168.150.20,255.255.255.0,3600" in found
    assert "dhcp-host=52:54:00:00:00:01,192.168.150.5,web" in found
    assert "dhcp-lease-max=12" in found


def test_hosts_without_a_range_are_handed_out_too() -> None:
    assert "dhcp-range=192.168.150.0,static,255.255.255.0" in lines(DHCP.format("<host name='a' ip='192.168.150.5'/>"))


def test_an_isolated_network_has_no_router_and_asks_no_name_server() -> None:
    isolated, routed = lines(DHCP.format(RANGE)), lines("<forward mode='nat'/>" + DHCP.format(RANGE))
    assert {"dhcp-option=3", "no-resolv"} <= set(isolated)
    assert not {"dhcp-option=3", "no-resolv"} & set(routed)


def test_names_are_known() -> None:
    dns = (
        "<domain name='lab' localOnly='yes'/><dns forwardPlainNames='no'><forwarder addr='9.9.9.9'/>"
        "<forwarder domain='corp' addr='10.0.0.1'/>"
        "<txt name='a.lab' value='hello'/><host ip='192.168.150.9'><hostname>db</hostname><hostname>sql</hostname></host>"
        "<srv service='ldap' protocol='tcp' domain='lab' target='db.lab' port='389' priority='1' weight='2'/></dns>"
    )
    assert {
        *("domain=lab", "local=/lab/", "domain-needed", "server=9.9.9.9", "server=/corp/10.0.0.1", 'txt-record=a.lab,"hello"'),
        *("host-record=db,sql,192.168.150.9", "srv-host=_ldap._tcp.lab,db.lab,389,1,2"),
    } <= set(lines("<forward mode='nat'/>" + DHCP.format(RANGE) + dns))


def test_without_dns_the_port_is_closed() -> None:
    assert "port=0" in lines(DHCP.format(RANGE) + "<dns enable='no'/>")


def test_ipv6_is_handed_out_and_announced() -> None:
    dhcp = "<dhcp><range start='fd00:150::10' end='fd00:150::ff'/><host name='a' ip='fd00:150::5'/></dhcp>"
    found = lines(f"<ip family='ipv6' address='fd00:150::1' prefix='64'>{dhcp}</ip>")
    assert {"enable-ra", "dhcp-range=fd00:150::10,fd00:150::ff,64,3600", "dhcp-host=[fd00:150::5],a"} <= set(found)


def test_leases_are_read_and_what_is_none_is_passed_over() -> None:
    definition = parse_network(
        f"<network><name>a</name><uuid>{UUID}</uuid><bridge name='br9'/>{DHCP.format(RANGE)}"
        "<ip family='ipv6' address='fd00:150::1' prefix='64'/></network>"
    )
    text = (
        "1700000000 52:54:00:00:00:01 192.168.150.11 web 01:52:54:00:00:00:01\n"
        "1700000000 52:54:00:00:00:02 192.168.150.12 * *\n"
        "1700000000 52:54:00:00:00:03 10.0.0.1 other *\nnonsense\n\nx y z a b\n1 2 3 4 5\n"
        "duid 00:01\n1700000001 1234 fd00:150::10 six 00:01:02\n"
    )
    found = parse_leases(text, definition)
    assert [(row["ipaddr"], row["hostname"], row["mac"], row["prefix"], row["type"]) for row in found] == [
        ("192.168.150.11", "web", "52:54:00:00:00:01", 24, 4),
        ("192.168.150.12", "", "52:54:00:00:00:02", 24, 4),
        ("fd00:150::10", "six", "", 64, 6),
    ]
