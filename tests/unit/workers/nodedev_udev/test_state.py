"""Facts about a device, and what they make of it."""

from __future__ import annotations

import pytest

from tierhost.workers.nodedev_udev.state import (
    Facts,
    above,
    database_name,
    device_of,
    is_physical,
    read_database,
    read_properties,
)
from tierhost.workers.runtime.node_devices import Device

PCI = "/sys/devices/pci0000:00/0000:00:02.0"


@pytest.mark.parametrize(
    ("path", "subsystem", "devtype", "name", "kind"),
    [
        (PCI, "pci", "", "pci_0000_00_02_0", "pci"),
        (f"{PCI}/usb1/1-1", "usb", "usb_device", "usb_1_1", "usb_device"),
        (f"{PCI}/usb1/1-1/1-1:1.0", "usb", "usb_interface", "usb_1_1_1_0", "usb"),
        (f"{PCI}/host2", "scsi", "scsi_host", "scsi_host2", "scsi_host"),
        (f"{PCI}/host2/target2:0:0", "scsi", "scsi_target", "scsi_target2_0_0", "scsi_target"),
        (f"{PCI}/host2/target2:0:0/2:0:0:1", "scsi", "scsi_device", "scsi_2_0_0_1", "scsi"),
        (f"{PCI}/x/scsi_generic/sg0", "scsi_generic", "", "scsi_generic_sg0", "scsi_generic"),
        (f"{PCI}/block/vda", "block", "disk", "block_vda", "storage"),
        (f"{PCI}/drm/card0", "drm", "drm_minor", "drm_card0", "drm"),
        ("/sys/devices/virtual/net/br0", "net", "bridge", "net_br0", "net"),
    ],
)
def test_a_device_has_the_name_and_kind_that_libvirt_gives_it(
    path: str, subsystem: str, devtype: str, name: str, kind: str
) -> None:
    device = device_of(Facts(path, subsystem, {"DEVTYPE": devtype} if devtype else {}))
    assert device is not None
    assert (device.name, device.capability) == (name, kind)


@pytest.mark.parametrize(("subsystem", "devtype"), [("block", "partition"), ("usb", ""), ("tty", ""), ("", "")])
def test_what_is_no_device_to_libvirt_is_none_here(subsystem: str, devtype: str) -> None:
    assert device_of(Facts(f"{PCI}/x", subsystem, {"DEVTYPE": devtype})) is None


def test_serial_numbers_and_hardware_addresses_are_part_of_a_name() -> None:
    disk = device_of(Facts(f"{PCI}/block/sda", "block", {"DEVTYPE": "disk", "ID_SERIAL": "QEMU-1"}))
    net = device_of(Facts(f"{PCI}/net/e0", "net", {}, {"address": "52:54:00:00:00:01"}))
    assert disk is not None
    assert net is not None
    assert (disk.name, net.name) == ("block_sda_QEMU_1", "net_e0_52_54_00_00_00_01")


def test_what_is_above_a_device_ends_at_the_machine() -> None:
    nearest_first = (f"{PCI}/virtio1/net", f"{PCI}/virtio1", PCI, "/sys/devices/pci0000:00")
    assert above(f"{PCI}/virtio1/net/e0") == nearest_first
    assert above("/elsewhere/x") == ()


def test_loops_and_bridges_cannot_be_touched() -> None:
    assert is_physical(Device("a", PCI, "pci"))
    assert not is_physical(Device("a", "/sys/devices/virtual/net/br0", "net"))
    assert not is_physical(Device("computer", "", "system"))


def test_udevs_database_is_found_and_read_as_udev_names_it() -> None:
    assert database_name(Facts("/x/e0", "net", {"IFINDEX": "3"})) == "n3"
    assert database_name(Facts("/x/sda", "block", {"MAJOR": "8", "MINOR": "0"})) == "b8:0"
    assert database_name(Facts("/x/sg0", "scsi_generic", {"MAJOR": "21", "MINOR": "0"})) == "c21:0"
    assert database_name(Facts(PCI, "pci")) == "+pci:0000:00:02.0"
    assert read_database("S:disk/by-id/x\nI:12\nE:ID_SERIAL=a=b\nE:broken\nG:x") == {"ID_SERIAL": "a=b"}
    assert read_properties("A=1\n=2\nnothing\nB=") == {"A": "1", "B": ""}
