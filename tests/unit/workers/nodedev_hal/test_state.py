"""What HAL's properties make of a device."""

from __future__ import annotations

from typing import Any

import pytest

from tierhost.workers.nodedev_hal.state import UDI_PREFIX, above, describe, device_of
from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.runtime.definitions import parse, validate

COMPUTER = f"{UDI_PREFIX}computer"


def described(name: str, properties: dict[str, Any]) -> str:
    udi = UDI_PREFIX + name
    device = device_of(udi, {udi: properties})
    assert device is not None
    xml = describe(device, "" if name == "computer" else "computer", properties)
    try:
        validate(parse(xml, "device"), "nodedev")
    except DriverError as error:
        if error.code is not Code.ARGUMENT_UNSUPPORTED:
            raise
    return "".join(line.strip() for line in xml.splitlines())


@pytest.mark.parametrize(
    ("name", "properties", "says"),
    [
        ("computer", {"system.hardware.uuid": "AB" * 16}, "<hardware><uuid>abab"),
        (
            "pci_1",
            {
                "info.capabilities": ["x", "pci"],
                "pci.linux.sysfs_path": "/sys/devices/pci0000:00/0000:00:1f.2",
                "pci.vendor_id": 32902,
                "pci.product": "AHCI",
                "pci.device_class": 1,
                "pci.device_subclass": 6,
                "pci.device_protocol": 1,
            },
            (
                "<class>0x010601</class><domain>0</domain><bus>0</bus><slot>31</slot><function>2</function>"
                '<product id="0x0000">AHCI</product><vendor id="0x8086"/>'
            ),
        ),
        ("usb_1", {"info.capabilities": ["usb"], "usb.interface.class": 9}, "<class>9</class><subclass>0</subclass>"),
        ("usb_2", {"info.capabilities": ["usb_device"], "usb_device.vendor": "<V>"}, "&lt;V&gt;</vendor>"),
        ("net_1", {"info.capabilities": ["net", "net.80211"], "net.interface": "wlan0"}, '<capability type="80211"/>'),
        ("host_1", {"info.capabilities": ["scsi_host"], "scsi_host.host": 3}, "<host>3</host>"),
        ("lun_1", {"info.capabilities": ["scsi"], "scsi.lun": 2, "scsi.type": "disk"}, "<lun>2</lun><type>disk</type>"),
        (
            "disk_1",
            {"info.capabilities": ["storage"], "block.device": "/dev/sda", "storage.size": 1 << 40, "storage.serial": "S"},
            f"<block>/dev/sda</block><serial>S</serial><size>{1 << 40}</size>",
        ),
        (
            "stick_1",
            {
                "info.capabilities": ["storage"],
                "block.device": "/dev/sdb",
                "storage.removable": True,
                "storage.removable.media_available": True,
                "storage.hotpluggable": True,
            },
            (
                '<capability type="removable"><media_available>1</media_available><media_size>0</media_size></capability>'
                '<capability type="hotpluggable"/>'
            ),
        ),
    ],
)
def test_each_kind_is_described_in_libvirts_words(name: str, properties: dict[str, Any], says: str) -> None:
    assert says in described(name, properties)


@pytest.mark.parametrize("capabilities", [None, "pci", [], ["volume"], 7, [7]])
def test_what_libvirt_does_not_count_is_no_device(capabilities: object) -> None:
    udi = f"{UDI_PREFIX}x"
    assert device_of(udi, {udi: {"info.capabilities": capabilities}}) is None


def test_properties_of_another_type_than_expected_are_survived() -> None:
    properties = {
        "info.capabilities": ["usb_device"],
        "usb_device.bus_number": "three",
        "usb_device.product": [1],
        "info.parent": 3,
    }
    assert "<bus>0</bus>" in described("odd", properties)


def test_a_ring_of_parents_ends() -> None:
    a, b = f"{UDI_PREFIX}a", f"{UDI_PREFIX}b"
    assert len(list(above(a, {a: {"info.parent": b}, b: {"info.parent": a}}))) == 32
    assert list(above(a, {a: {"info.parent": COMPUTER}, COMPUTER: {}})) == [COMPUTER]
