"""One host more or less in a network's XML."""

from __future__ import annotations

import pytest

from tierhost.workers.network.network_xml import parse_network
from tierhost.workers.network.updating import updated
from tierhost.workers.runtime.contract import Code, DriverError

NETWORK = (
    "<network><name>a</name><uuid>7a1f0f9e-6f4e-4a63-9a1c-2f6d1d2f0b01</uuid><ip address='192.168.150.1' prefix='24'>"
    "<dhcp><range start='192.168.150.10' end='192.168.150.20'/>"
    "<host mac='52:54:00:00:00:01' ip='192.168.150.5'/></dhcp></ip></network>"
)
MODIFY, DELETE, LAST, FIRST = 1, 2, 3, 4
DHCP_HOST, DNS_HOST = 4, 10


def hosts(xml: str) -> list[str]:
    return [str(host.address) for host in parse_network(xml).ips[0].hosts]


def test_hosts_come_first_or_last() -> None:
    other = "<host mac='52:54:00:00:00:02' ip='192.168.150.6'/>"
    assert hosts(updated(NETWORK, LAST, DHCP_HOST, -1, other)) == ["192.168.150.5", "192.168.150.6"]
    assert hosts(updated(NETWORK, FIRST, DHCP_HOST, 0, other)) == ["192.168.150.6", "192.168.150.5"]


def test_a_host_is_changed_and_removed_by_its_mac() -> None:
    assert hosts(updated(NETWORK, MODIFY, DHCP_HOST, -1, "<host mac='52:54:00:00:00:01' ip='192.168.150.7'/>")) == [
        "192.168.150.7"
    ]
    assert hosts(updated(NETWORK, DELETE, DHCP_HOST, -1, "<host mac='52:54:00:00:00:01'/>")) == []


def test_a_name_is_added_where_there_was_no_dns() -> None:
    text = updated(NETWORK, LAST, DNS_HOST, -1, "<host ip='192.168.150.9'><hostname>db</hostname></host>")
    assert parse_network(text).dns.hosts[0].names == ("db",)


@pytest.mark.parametrize(
    ("command", "section", "index", "xml", "words"),
    [
        (LAST, DHCP_HOST, -1, "<host mac='52:54:00:00:00:01' ip='192.168.150.7'/>", "already"),
        (DELETE, DHCP_HOST, -1, "<host mac='52:54:00:00:00:09'/>", "no such host"),
        (MODIFY, DNS_HOST, -1, "<host ip='192.168.150.9'/>", "no such host"),
        (LAST, DHCP_HOST, 3, "<host mac='52:54:00:00:00:02' ip='192.168.150.6'/>", "no <ip> number 3"),
        (LAST, 8, -1, "<interface dev='eth0'/>", "cannot be updated"),
        (LAST, DHCP_HOST, -1, "<hosts/>", "expected <host>"),
    ],
)
def test_what_cannot_be_changed_is_refused(command: int, section: int, index: int, xml: str, words: str) -> None:
    with pytest.raises(DriverError, match=words) as refused:
        updated(NETWORK, command, section, index, xml)
    assert refused.value.code in {Code.OPERATION_INVALID, Code.OPERATION_UNSUPPORTED, Code.XML_ERROR}
