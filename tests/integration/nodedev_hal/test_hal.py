"""With a peer that speaks HAL's protocol: devices are shown and followed; its death, the bus's, and silence are told in time."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.nodedev_hal.conftest import told
from tests.integration.nodedev_hal.hal_peer import ROOT
from tests.waiting import until
from tierhost.workers.nodedev_hal import backend, following
from tierhost.workers.runtime.contract import Code, DriverError, InitResult

if TYPE_CHECKING:
    from tests.integration.nodedev_hal.conftest import PrivateBus

NET = "net_00_11_22_33_44_55"
STICK = {"info.parent": f"{ROOT}computer", "info.capabilities": ["usb_device"], "usb_device.bus_number": 3}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "PING_PERIOD_S", 0.1)
    monkeypatch.setattr(following, "RETRY_S", 0.05)
    monkeypatch.setattr(backend, "ANSWER_LIMIT_S", 0.5)


def test_what_hal_knows_is_shown_in_libvirts_words(hal: PrivateBus) -> None:
    with hal.life() as one:
        assert one.outcome is InitResult.COMPLETE
        assert one.call("node_list_devices", "") == ["computer", NET, "pci_8086_1237"]
        assert one.call("node_list_devices", "net") == [NET]
        assert one.call("node_device_get_parent", NET) == "pci_8086_1237"
        assert one.call("node_device_tree", "computer") == {"pci_8086_1237": {NET: {}}}
        assert "<interface>eth0</interface>" in one.call("node_device_get_xml_desc", NET)
        assert "Maker &amp; Son" in one.call("node_device_get_xml_desc", "computer")
        assert one.driver.objects() == {"devices": {"system": 1, "pci": 1, "net": 1}}


def test_devices_come_change_and_go(hal: PrivateBus) -> None:
    with hal.life() as one:
        hal.tell("add", f"{ROOT}stick", STICK)
        told(one, "node-device-added", "stick")
        assert "<bus>3</bus>" in one.call("node_device_get_xml_desc", "stick")
        hal.tell("change", f"{ROOT}stick", {**STICK, "usb_device.bus_number": 7})
        told(one, "node-device-updated", "stick")
        assert "<bus>7</bus>" in one.call("node_device_get_xml_desc", "stick")
        hal.tell("remove", f"{ROOT}stick")
        told(one, "node-device-removed", "stick")
        hal.tell("add", f"{ROOT}odd", {"info.capabilities": ["toaster"]})
        hal.tell("add", f"{ROOT}last", STICK)
        told(one, "node-device-added", "last")
        assert "odd" not in one.call("node_list_devices", "")


@pytest.mark.parametrize("victim", ["peer", "daemon"])
def test_a_death_is_told_at_once_and_its_return_is_noticed(hal: PrivateBus, victim: str) -> None:
    with hal.life() as one:
        hal.end(getattr(hal, victim))
        until(lambda: "HAL" in one.host.degraded, f"the death of the {victim} is told", patience_s=2.0)
        with pytest.raises(DriverError, match="HAL does not answer") as caught:
            one.call("node_list_devices", "")
        assert caught.value.code is Code.NO_CONNECT
        if victim == "daemon":
            hal.start_daemon()
        hal.start_peer()
        until(lambda: not one.host.degraded, "the return is noticed")
        assert one.call("node_list_devices", "net") == [NET]
        hal.tell("add", f"{ROOT}stick", STICK)
        told(one, "node-device-added", "stick")


@pytest.mark.parametrize("victim", ["peer", "daemon"])
def test_silence_is_told_within_the_deadline(hal: PrivateBus, victim: str) -> None:
    with hal.life() as one:
        hal.send(getattr(hal, victim), signal.SIGSTOP)
        until(lambda: "no answer within" in one.host.degraded.get("HAL", ""), "the silence is told", patience_s=5.0)
        hal.send(getattr(hal, victim), signal.SIGCONT)
        until(lambda: not one.host.degraded, "it is noticed that it speaks again")
        assert one.call("node_num_of_devices", "") == 3


def test_without_hal_there_is_nothing_to_drive(bus: PrivateBus) -> None:
    for address in ("", f"unix:path={bus.folder}/nowhere", "nonsense", bus.address):
        with bus.life(bus_address=address) as one:
            assert one.outcome is InitResult.SKIPPED


def test_who_has_met_hal_waits_for_it_and_after_a_reboot_does_not_miss_it(hal: PrivateBus) -> None:
    with hal.life() as one:
        assert one.host.events == []
    hal.end(hal.daemon)
    with hal.life() as one:
        assert one.outcome is InitResult.COMPLETE
        assert "HAL" in one.host.degraded
        with pytest.raises(DriverError, match="HAL does not answer"):
            one.call("node_num_of_devices", "")
        hal.start_daemon()
        hal.start_peer()
        until(lambda: not one.host.degraded, "its return is noticed")
        assert one.call("node_num_of_devices", "") == 3
        assert one.host.events == []
    hal.end(hal.daemon)
    with hal.life(boot_id="boot 2") as one:
        assert one.outcome is InitResult.SKIPPED


def test_a_bus_that_never_answers_is_no_hang(bus: PrivateBus) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(f"{bus.folder}/silent")
        silent.listen()
        with (
            pytest.raises(DriverError, match="did not let us in"),
            bus.life(bus_address=f"unix:path={bus.folder}/silent"),
        ):
            pass


def test_where_udev_can_run_hal_is_a_second_opinion_that_tells_of_nothing(hal: PrivateBus) -> None:
    with hal.life(owner=False) as one:
        assert list(one.driver.objects()) == ["second opinion"]
        assert one.call("node_list_devices", "net") == [NET]
        hal.tell("add", f"{ROOT}stick", STICK)
        until(lambda: "stick" in one.call("node_list_devices", ""), "it is shown")
        assert one.host.events == []


@pytest.mark.parametrize("options", [{"bus_address": 7}, {"owner": "yes"}, {"other": 1}])
def test_options_that_mean_nothing_are_refused(bus: PrivateBus, options: dict[str, Any]) -> None:
    with pytest.raises(DriverError) as caught, bus.life(**options):
        pass
    assert caught.value.code is Code.CONF_SYNTAX
