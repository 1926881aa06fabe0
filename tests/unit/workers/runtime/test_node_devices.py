"""Devices on a shelf: names, parents, capabilities, and what a device may say of itself."""

from __future__ import annotations

import pytest

from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.runtime.definitions import parse, validate
from tierhost.workers.runtime.node_devices import Device, Node, Shelf, device_xml, name_of

COMPUTER = Device("computer", "", "system")
CARD = Device("pci_0", "/sys/devices/p0", "pci")
NET = Device("net_e0", "/sys/devices/p0/net/e0", "net", ("/sys/devices/p0/net", "/sys/devices/p0"))
HOST = Device("scsi_host1", "/sys/devices/host1", "scsi_host", (), ("fc_host",))
SHELF = Shelf([COMPUTER, CARD, NET, HOST])


def test_a_device_sits_on_the_nearest_that_is_known() -> None:
    assert SHELF.parent_of(NET) == "pci_0"
    assert SHELF.without(CARD.place).parent_of(NET) == "computer"
    assert SHELF.parent_of(COMPUTER) == ""
    assert SHELF.children_of("computer") == ["pci_0", "scsi_host1"]


def test_devices_are_found_by_name_and_by_what_they_can_be() -> None:
    assert [device.name for device in SHELF.select("fc_host")] == ["scsi_host1"]
    assert [device.name for device in SHELF.select(flags=2 | 16)] == ["net_e0", "pci_0"]
    assert len(SHELF.select()) == 4
    with pytest.raises(DriverError) as caught:
        SHELF.find("nope")
    assert caught.value.code is Code.NO_NODE_DEVICE


def test_one_name_means_one_device_and_one_place_holds_one() -> None:
    twin = Device("pci_0", "/sys/devices/other", "pci")
    assert SHELF.with_device(twin).by_name["pci_0"] is CARD
    renamed = Device("net_e1", NET.place, "net", NET.above)
    assert SHELF.changes_to(SHELF.with_device(renamed)) == (["net_e1"], ["net_e0"])


def test_names_are_made_as_libvirt_makes_them() -> None:
    assert name_of("net", "eth0", "52:54:00:aa:bb:cc") == "net_eth0_52_54_00_aa_bb_cc"
    assert name_of("pci", "0000:00:02.0") == "pci_0000_00_02_0"
    assert name_of("block", "sda", "") == "block_sda"
    assert name_of("block", "sda", "Ä\n<x>") == "block_sda____x_"


def test_what_a_maker_wrote_cannot_break_the_xml() -> None:
    body = [Node("product", "a\0b\x1b<&>\ufffe", {"id": "0x1\x07"}), Node("vendor", "", {"id": "0x2"})]
    xml = device_xml(CARD, "computer", [Node("path", "/sys/x")], body)
    product = parse(xml, "device").need_child("capability").need_child("product")
    assert product.text == "a?b?<&>?"
    assert product.get("id") == "0x1?"


def test_elements_stand_in_the_order_of_libvirts_schema() -> None:
    head = [Node("path", "/sys/devices/p0"), Node("driver", children=(Node("name", "e1000"),))]
    net = device_xml(NET, "pci_0", head, [Node("interface", "e0"), Node("link", "", {"state": "up"})])
    try:
        validate(parse(net, "device"), "nodedev")
    except DriverError as error:
        if error.code is not Code.ARGUMENT_UNSUPPORTED:
            raise
        pytest.skip("libvirt's schemas are not installed (Debian: libvirt0)")
