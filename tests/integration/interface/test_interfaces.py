"""Interfaces are defined, started, shown and stopped, and are exactly that again after a crash."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.interface.conftest import bridge, card, static
from tests.namespaces import ip
from tests.waiting import until

if TYPE_CHECKING:
    from tests.integration.interface.conftest import Net


def test_a_bridge_has_what_its_definition_says_and_lets_go_of_its_port(net: Net) -> None:
    inside = f"<mtu size='1400'/>{static('10.9.0.1', '10.9.0.254')}"
    with net.live() as life:
        assert life.call("interface_define_xml", bridge("br0", "p0", inside=inside, delay="4"))["unread"] == []
        assert life.call("interface_is_active", "br0") is False
        life.call("interface_create", "br0")
        made = net.link("br0")
        assert (made.kind, made.up, made.mtu, made.options["forward_delay"]) == ("bridge", True, 1400, 400)
        assert made.addresses == {"10.9.0.1/24"}
        assert made.gateways == {"10.9.0.254"}
        assert (net.link("p0").master, net.link("p0").up) == ("br0", True)
        life.call("interface_destroy", "br0")
        assert set(net.links()) == {"lo", "p0", "p1"}
        assert (net.link("p0").master, net.link("p0").up) == ("", False)
        assert life.host.kinds() == ["interface-defined", "interface-started", "interface-stopped"]


def test_a_card_is_set_back_to_what_it_was(net: Net) -> None:
    ip("link", "set", "p0", "mtu", "1300")
    ip("addr", "add", "10.1.1.1/24", "dev", "p0")
    with net.live() as life:
        life.call("interface_define_xml", card("p0", inside="<mtu size='1280'/>"))
        life.call("interface_create", "p0")
        assert net.link("p0").addresses == {"10.1.1.1/24", "10.9.0.1/24"}
        life.call("interface_destroy", "p0")
    after = net.link("p0")
    assert (after.mtu, after.up) == (1300, False)
    assert after.addresses == {"10.1.1.1/24"}


def test_what_was_active_is_active_in_the_next_life_and_whole_again(net: Net) -> None:
    with net.live() as life:
        for name, active in (("br0", True), ("br1", False), ("br2", True)):
            life.call("interface_define_xml", bridge(name, inside=static("10.9.1.1")))
            if active:
                life.call("interface_create", name)
        index = net.link("br0").index
        life.call("interface_undefine", "br2")
    ip("addr", "flush", "dev", "br0")
    ip("link", "del", "br2")
    with net.live() as life:
        shown = {row["name"]: (row["active"], row["defined"]) for row in life.call("interface_list")}
        assert shown == {
            "br0": (True, True),
            "br1": (False, True),
            "br2": (True, False),
            **dict.fromkeys(("lo", "p0", "p1"), (False, False)),
        }
        assert net.link("br0").index == index
        assert net.link("br0").addresses == {"10.9.1.1/24"}
        assert life.host.degraded == {}
        life.call("interface_destroy", "br2")
        assert life.driver.objects() == {"interfaces": {"active": 1, "inactive": 1}}


def test_after_a_reboot_only_onboot_starts_and_only_once(net: Net) -> None:
    with net.live(boot_id="boot 1") as life:
        life.call("interface_define_xml", bridge("br0", start="onboot"))
        life.call("interface_define_xml", bridge("br1"))
        life.call("interface_create", "br1")
    ip("link", "del", "br1")
    with net.live(boot_id="boot 2") as life:
        assert {"br0", "br1"} & set(net.links()) == set()
        life.driver.state_auto_start()
        assert "br0" in net.links()
        assert "br1" not in net.links()
        life.driver.state_auto_start()
        assert life.host.degraded == {}


def test_everything_there_is_is_shown_live_and_as_it_is_defined(net: Net) -> None:
    ip("link", "set", "p1", "up")
    with net.live() as life:
        life.call("interface_define_xml", bridge("br0", "p0", inside=static("10.9.0.1")))
        life.call("interface_create", "br0")
        assert [row["name"] for row in life.call("interface_list", 2)] == ["br0", "p1"]
        assert [row["name"] for row in life.call("interface_list", 1)] == ["lo"]
        assert life.call("interface_lookup_by_mac_string", net.link("p1").mac.upper())["name"] == "p1"
        xml = life.call("interface_get_xml_desc", "br0")
        assert '<interface type="ethernet" name="p0">' in xml
        assert "10.9.0.1" in xml
        assert "start mode" in life.call("interface_get_xml_desc", "br0", 1)
        # What the kernel shows can be defined again, and libvirt's schema agrees.
        life.call("interface_define_xml", xml)


def test_a_reload_makes_what_somebody_took_away(net: Net) -> None:
    with net.live() as life:
        life.call("interface_define_xml", bridge("br0", "p0"))
        life.call("interface_create", "br0")
        ip("link", "del", "br0")
        assert life.call("interface_is_active", "br0") is False
        life.driver.state_reload()
        assert life.call("interface_is_active", "br0") is True
        assert net.link("p0").master == "br0"


def test_what_somebody_else_changes_is_shown_until_it_is_whole_again(net: Net) -> None:
    with net.live() as life:
        life.call("interface_define_xml", bridge("br0", "p0", inside=static("10.9.0.1")))
        life.call("interface_create", "br0")
        assert life.host.degraded == {}
        ip("addr", "flush", "dev", "br0")
        until(lambda: "has not the address 10.9.0.1/24" in life.host.degraded.get("interface br0", ""), "the loss is shown")
        ip("addr", "add", "10.9.0.1/24", "dev", "br0")
        until(lambda: not life.host.degraded, "it is whole again")
        ip("link", "del", "br0")
        until(lambda: "'br0' is gone" in life.host.degraded.get("interface br0", ""), "its end is shown")
        life.driver.state_reload()
        until(lambda: not life.host.degraded, "it was made again")
        life.call("interface_destroy", "br0")
        assert life.host.degraded == {}
