"""Networks that work: what is active, what guests get, and exactly that again in the next life."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.network.lives import DHCP, UUID, link, reboot, servers, tables, xml
from tests.integration.network.places import need, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.network.lives import Site
    from tests.integration.network.places import Guest

TABLE = f"tierhost_{UUID.replace('-', '')}"


def test_a_network_is_defined_started_stopped_and_forgotten(site: Site) -> None:
    need("nft", "dnsmasq")
    with site.life() as life:
        assert life.call("network_define_xml", xml())["unread"] == []
        assert not life.call("network_is_active", "lab")
        assert link("thbr0") is None
        life.call("network_create", "lab")
        bridge = link("thbr0")
        assert bridge is not None
        assert bridge["linkinfo"]["info_kind"] == "bridge"
        assert "UP" in bridge["flags"]
        assert [(found["local"], found["prefixlen"]) for found in bridge["addr_info"]] == [("192.168.150.1", 24)]
        assert tables() == [TABLE]
        assert len(servers(site.place)) == 1
        life.call("network_destroy", "lab")
        assert (link("thbr0"), tables(), servers(site.place)) == (None, [], [])
        life.call("network_undefine", "lab")
        assert life.call("network_list") == []
    assert not site.host.degraded


def test_an_isolated_network_without_addresses_needs_neither_rules_nor_dnsmasq(site: Site) -> None:
    with site.life() as life:
        life.call("network_create_xml", "<network><name>bare</name></network>")
        name = life.call("network_get_bridge_name", "bare")
        assert name == "virbr0"
        assert link(name) is not None
        assert servers(site.place) == []
        life.call("network_destroy", "bare")
        assert link(name) is None
        assert life.call("network_list") == []


def test_a_guest_gets_its_address_and_its_lease_is_shown_in_the_next_life(site: Site, guest: Callable[[], Guest]) -> None:
    need("nft", "dnsmasq")
    one, other = guest(), guest()
    reserved = DHCP.replace("</dhcp>", f"<host mac='{other.mac}' name='web' ip='192.168.150.77'/></dhcp>")
    with site.life() as life:
        life.call("network_create_xml", xml(inside=reserved))
        one.plug("thbr0")
        other.plug("thbr0")
        first = one.ask_for_address(site.folder)
        assert first.startswith("192.168.150.")
        assert other.ask_for_address(site.folder) == "192.168.150.77"
        assert one.reaches("192.168.150.77")
        before = life.call("network_get_dhcp_leases", "lab")
        assert {(lease["mac"], lease["ipaddr"]) for lease in before} == {(one.mac, first), (other.mac, "192.168.150.77")}
        assert [lease["hostname"] for lease in life.call("network_get_dhcp_leases", "lab", other.mac)] == ["web"]
        process = servers(site.place)
    with site.life(incarnation=2) as life:
        assert life.call("network_get_dhcp_leases", "lab") == before
        assert servers(site.place) == process
        assert one.reaches("192.168.150.77")
    assert site.host.events == []


def test_a_translated_guest_reaches_the_world_and_an_isolated_one_does_not(site: Site, guest: Callable[[], Guest]) -> None:
    need("nft")
    one, world = guest(), guest()
    run("ip", "addr", "add", "10.99.0.1/24", "dev", world.device)
    world.address("10.99.0.2/24")
    one.address("192.168.150.20/24", "192.168.150.1")
    with site.life() as life:
        life.call("network_create_xml", xml(inside="", mode="nat"))
        one.plug("thbr0")
        assert one.reaches("10.99.0.2")
        life.call("network_destroy", "lab")
        life.call("network_create_xml", xml(inside=""))
        one.plug("thbr0")
        assert one.reaches("192.168.150.1")
        assert not one.reaches("10.99.0.2")


def test_a_routed_guest_is_known_outside_by_its_own_address(site: Site, guest: Callable[[], Guest]) -> None:
    need("nft")
    one, world = guest(), guest()
    run("ip", "addr", "add", "10.99.0.1/24", "dev", world.device)
    world.address("10.99.0.2/24", "10.99.0.1")
    one.address("192.168.150.20/24", "192.168.150.1")
    with site.life() as life:
        life.call("network_create_xml", xml(inside="", mode="route"))
        one.plug("thbr0")
        assert one.reaches("10.99.0.2")
        assert world.reaches("192.168.150.20")


EVERYTHING = """
<network><name>lab</name><forward mode='nat'><nat ipv6='yes'><address start='10.99.0.5' end='10.99.0.6'/>
<port start='2000' end='3000'/></nat></forward><bridge name='thbr0' stp='off'/><mtu size='1400'/>
<domain name='lab' localOnly='yes'/><port isolated='yes'/><dns forwardPlainNames='no'><forwarder addr='9.9.9.9'/>
<forwarder domain='corp' addr='10.0.0.1'/><txt name='a.lab' value='hello world'/>
<srv service='ldap' protocol='tcp' domain='lab' target='db.lab' port='389'/></dns>
<ip address='192.168.150.1' prefix='24'><tftp root='/tmp'/><dhcp><range start='192.168.150.2' end='192.168.150.9'/>
<host mac='52:54:00:00:77:00' name='g0' ip='192.168.150.5'><lease expiry='5' unit='minutes'/></host>
<bootp file='a.0' server='192.168.150.1'/></dhcp></ip>
<ip family='ipv6' address='fd00:77::1' prefix='64'><dhcp><range start='fd00:77::10' end='fd00:77::ff'/>
<host id='00:01:00:01:aa:bb' name='six1' ip='fd00:77::5'/><host name='six2' ip='fd00:77::6'/></dhcp></ip>
<route address='10.9.0.0' prefix='16' gateway='192.168.150.2'/>
<route family='ipv6' address='fd00:99::' prefix='64' gateway='fd00:77::2'/></network>"""


def test_kernel_and_dnsmasq_take_all_that_a_network_can_ask_for(site: Site) -> None:
    need("nft", "dnsmasq")
    with site.life() as life:
        assert life.call("network_create_xml", EVERYTHING)["unread"] == []
        assert len(servers(site.place)) == 1
        assert "fd00:99::/64 via fd00:77::2" in run("ip", "-6", "route").stdout
        rules = run("nft", "list", "ruleset").stdout
        assert "snat ip to 10.99.0.5-10.99.0.6:2000-3000" in rules
        assert "ip6 saddr fd00:77::/64 ip6 daddr != fd00:77::/64 masquerade" in rules
        port = life.call("create_port", "lab", UUID, "52:54:00:00:00:01", by="qemu")
        made = link(port["device"])
        assert made is not None
        assert (made["mtu"], made["linkinfo"]["info_slave_data"]["isolated"]) == (1400, True)
        life.call("release_port", port["port"], by="qemu")
        life.call("network_destroy", "lab")
    assert (link("thbr0"), tables(), servers(site.place), site.host.degraded) == (None, [], [], {})


def test_names_of_the_definition_are_answered(site: Site, guest: Callable[[], Guest]) -> None:
    need("nft", "dnsmasq")
    one = guest()
    one.address("192.168.150.20/24")
    dns = "<dns><host ip='192.168.150.99'><hostname>db.lab</hostname></host></dns>"
    with site.life() as life:
        life.call("network_create_xml", xml(inside="", more=dns))
        one.plug("thbr0")
        assert "192.168.150.99" in one.place.run("busybox", "nslookup", "db.lab", "192.168.150.1", check=False).stdout
        added = "<host ip='192.168.150.98'><hostname>ci.lab</hostname></host>"
        life.call("network_update", "lab", 3, 10, -1, added, 1)
        assert "192.168.150.98" in one.place.run("busybox", "nslookup", "ci.lab", "192.168.150.1", check=False).stdout
    with site.life(incarnation=2) as life:
        assert "ci.lab" in life.call("network_get_xml_desc", "lab")


def test_a_host_that_is_added_gets_its_address_and_old_leases_stay(site: Site, guest: Callable[[], Guest]) -> None:
    need("nft", "dnsmasq")
    one, other = guest(), guest()
    with site.life() as life:
        life.call("network_define_xml", xml())
        life.call("network_create", "lab")
        one.plug("thbr0")
        other.plug("thbr0")
        first = one.ask_for_address(site.folder)
        life.call("network_update", "lab", 3, 4, -1, f"<host mac='{other.mac}' ip='192.168.150.66'/>", 3)
        assert other.ask_for_address(site.folder) == "192.168.150.66"
        assert {lease["ipaddr"] for lease in life.call("network_get_dhcp_leases", "lab")} == {first, "192.168.150.66"}
        assert "192.168.150.66" in life.call("network_get_xml_desc", "lab", 1)
    assert not site.host.degraded


def test_networks_that_are_active_are_active_again_and_others_are_not(site: Site) -> None:
    need("nft", "dnsmasq")
    with site.life() as life:
        life.call("network_define_xml", xml())
        life.call("network_define_xml", "<network><name>off</name><bridge name='thbr1'/></network>")
        life.call("network_set_autostart", "off", True)
        life.call("network_create", "lab")
        before = (link("thbr0"), servers(site.place), life.call("network_list"), life.call("network_get_xml_desc", "lab"))
    with site.life(incarnation=2) as life:
        after = (link("thbr0"), servers(site.place), life.call("network_list"), life.call("network_get_xml_desc", "lab"))
        assert after == before
        assert link("thbr1") is None
    reboot(site)
    with site.life(boot_id="boot 2") as life:
        # Nothing is active, and only what is marked is started.
        assert [row["state"] for row in life.call("network_list")] == ["inactive", "inactive"]
        life.driver.state_auto_start()
        assert link("thbr1") is not None


def test_an_existing_bridge_is_used_and_never_touched(site: Site) -> None:
    definition = "<network><name>lan</name><forward mode='bridge'/><bridge name='br77'/></network>"
    run("ip", "link", "add", "br77", "type", "bridge")
    before = link("br77")
    with site.life() as life:
        life.call("network_create_xml", definition)
        port = life.call("create_port", "lan", UUID, "52:54:00:00:00:01", by="qemu")
        made = link(port["device"])
        assert made is not None
        assert made["master"] == "br77"
        life.call("release_port", port["port"], by="qemu")
        life.call("network_destroy", "lan")
        after = link("br77")
        assert after is not None
        assert before is not None
        assert after["ifindex"] == before["ifindex"]


def test_ports_belong_to_a_card_and_stay_until_they_are_given_back(site: Site) -> None:
    need("nft", "dnsmasq")
    with site.life() as life:
        life.call("network_create_xml", xml(inside=DHCP))
        port = life.call("create_port", "lab", UUID, "52:54:00:00:00:01", "web", by="qemu")
        assert life.call("create_port", "lab", UUID, "52:54:00:00:00:01", "web", by="qemu") == port
        before = link(port["device"])
    with site.life(incarnation=2) as life:
        assert link(port["device"]) == before
        assert [row["uuid"] for row in life.call("network_list_all_ports", "lab")] == [port["port"]]
        assert port["device"] in life.call("network_port_get_xml_desc", "lab", port["port"])
        assert life.call("release_ports", UUID, by="lxc") == {"released": []}
        assert life.call("release_ports", UUID, by="qemu") == {"released": [port["device"]]}
        assert life.call("release_ports", UUID, by="qemu") == {"released": []}
        assert link(port["device"]) is None
        life.call("release_port", port["port"], by="qemu")
