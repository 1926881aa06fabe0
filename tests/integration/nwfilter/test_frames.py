"""What passes a filtered port, and what does not: told by frames that arrive."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from tests.integration.network.places import run
from tests.integration.nwfilter.lab import HONEST, ICMP, TCP, Flood, bind, ip_frame, ruleset, tcp, udp
from tests.waiting import until
from tierhost.ipc.errors import Code, DriverError

if TYPE_CHECKING:
    from tests.integration.nwfilter.lab import Lab


def test_clean_traffic_lets_through_what_is_the_guests_own(lab: Lab) -> None:
    frames = lab.frames()
    assert lab.passed(frames) == set(frames)
    with lab.life() as life:
        bind(life, lab)
        assert lab.passed(lab.frames()) == HONEST
        life.call("unbind", lab.guest.device, "7a1f0f9e-6f4e-4a63-9a1c-2f6d1d2f0b01", by="qemu")
        assert lab.passed(lab.frames()) == set(frames)
    assert ruleset() == ""


def test_a_guest_with_two_addresses_has_both(lab: Lab) -> None:
    tag = lab.tag()
    second = {"second": (ip_frame(lab.guest.mac, lab.other.mac, "10.88.0.50", lab.other.ip, udp(tag)), tag)}
    with lab.life() as life:
        bind(life, lab)
        assert lab.passed(second) == set()
        bind(life, lab, IP=[lab.guest.ip, "10.88.0.50"])
        assert lab.passed(second) == {"second"}
        assert lab.passed(lab.frames()) == HONEST


def test_rules_for_packets_work_both_ways_without_states(lab: Lab) -> None:
    xml = """<filter name='web'>
      <rule action='accept' direction='in' statematch='false'><tcp dstportstart='80' dstportend='81'/></rule>
      <rule action='accept' direction='inout'><udp/></rule>
      <rule action='accept' direction='out' statematch='false'><icmp type='8'/></rule>
      <rule action='drop' direction='inout' priority='900'><all/></rule></filter>"""
    guest, other = lab.guest, lab.other
    with lab.life() as life:
        life.call("nwfilter_define_xml", xml)
        bind(life, lab, "web")
        inward, outward = {}, {}
        for name, source, target in (("to 80", 5000, 80), ("to 81", 5000, 81), ("to 22", 5000, 22), ("from 80", 80, 5000)):
            tag = lab.tag()
            inward[name] = (ip_frame(other.mac, guest.mac, other.ip, guest.ip, tcp(tag, source, target), TCP), tag)
            tag = lab.tag()
            outward[name] = (ip_frame(guest.mac, other.mac, guest.ip, other.ip, tcp(tag, source, target), TCP), tag)
        for kind in (8, 0):
            tag = lab.tag()
            body = struct.pack("!BBHI", kind, 0, 0, 0) + tag
            outward[f"icmp {kind}"] = (ip_frame(guest.mac, other.mac, guest.ip, other.ip, body, ICMP), tag)
        assert lab.passed(inward, inward=True) == {"to 80", "to 81"}
        assert lab.passed(outward) == {"from 80", "icmp 8"}


def test_a_redefined_filter_is_on_every_port_when_that_is_acknowledged(lab: Lab) -> None:
    uuid = "<uuid>7a1f0f9e-6f4e-4a63-9a1c-2f6d1d2f0b09</uuid>"
    with lab.life() as life:
        life.call("nwfilter_define_xml", f"<filter name='inner'>{uuid}</filter>")
        life.call("nwfilter_define_xml", "<filter name='outer'><filterref filter='inner'/></filter>")
        bind(life, lab, "outer")
        assert "forged mac" in lab.passed(lab.frames())
        life.call("nwfilter_define_xml", f"<filter name='inner'>{uuid}<filterref filter='clean-traffic'/></filter>")
        assert lab.passed(lab.frames()) == HONEST
        rule = "<rule action='drop' direction='out'><ip srcipaddr='$NOBODYS'/></rule>"
        with pytest.raises(DriverError, match="NOBODYS has no value"):
            life.call("nwfilter_define_xml", f"<filter name='inner'>{uuid}{rule}</filter>")
        assert lab.passed(lab.frames()) == HONEST
        with pytest.raises(DriverError, match="in use") as caught:
            life.call("nwfilter_undefine", "inner")
        assert caught.value.code is Code.OPERATION_INVALID


def test_a_port_is_filtered_before_there_is_a_device_and_other_ports_are_not(lab: Lab) -> None:
    run("ip", "link", "set", lab.guest.device, "name", "thlater", "down")
    with lab.life() as life:
        bind(life, lab)
        run("ip", "link", "set", "thlater", "name", "thother", "up")
        assert "forged mac" in lab.passed(lab.frames())
        run("ip", "link", "set", "thother", "down")
        run("ip", "link", "set", "thother", "name", lab.guest.device, "up")
        until(lambda: "state forwarding" in run("ip", "-d", "link", "show", lab.guest.device).stdout, "the port forwards")
        assert lab.passed(lab.frames()) == HONEST


def test_rules_that_somebody_flushed_are_back_and_those_of_others_stay(lab: Lab) -> None:
    with lab.life() as life:
        bind(life, lab)
        chain = "add chain inet others c { type filter hook input priority 0; }"
        run("nft", f"add table inet others; {chain}; add rule inet others c accept")
        before = ruleset()
        for damage in (
            f"flush table bridge tierhost_nwf_{lab.guest.device}",
            f"delete table bridge tierhost_nwf_{lab.guest.device}",
            f"insert rule bridge tierhost_nwf_{lab.guest.device} out accept",
        ):
            seen = len(lab.host.events)
            run("nft", damage)
            until(lambda seen=seen: "binding-reapplied" in lab.host.kinds()[seen:], "the rules are back")  # type: ignore[misc]
            assert sorted(ruleset().split("table")) == sorted(before.split("table"))
            assert lab.passed(lab.frames()) == HONEST
        assert lab.host.degraded == {}


def test_flushed_between_two_lives_they_are_back_in_the_next(lab: Lab) -> None:
    with lab.life() as life:
        bind(life, lab)
        before = ruleset()
    run("nft", "flush", "ruleset")
    with lab.life(incarnation=2):
        assert ruleset() == before
        assert lab.host.kinds() == ["binding-reapplied"]
        assert lab.passed(lab.frames()) == HONEST


@pytest.mark.parametrize("deed", ["the next life", "bound again", "redefined", "reloaded"])
def test_under_traffic_nothing_honest_is_lost_and_nothing_forged_leaks(lab: Lab, deed: str) -> None:
    uuid = "<uuid>7a1f0f9e-6f4e-4a63-9a1c-2f6d1d2f0b09</uuid>"
    xml = f"<filter name='mine'>{uuid}<filterref filter='clean-traffic'/></filter>"
    with lab.life() as life:
        life.call("nwfilter_define_xml", xml)
        bind(life, lab, "mine")
        flood = Flood(lab)
        for _ in range(3):
            if deed == "bound again":
                bind(life, lab, "mine")
            elif deed == "redefined":
                life.call("nwfilter_define_xml", xml)
            elif deed == "reloaded":
                life.driver.state_reload()
    for number in range(2, 4 if deed == "the next life" else 2):
        with lab.life(incarnation=number):
            pass
    assert flood.end() == (0, 0)
