"""The XML of each kind of device, held against libvirt's own schema."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tierhost.workers.nodedev_udev import describing
from tierhost.workers.nodedev_udev.state import Facts, device_of
from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.runtime.definitions import parse, validate
from tierhost.workers.runtime.node_devices import device_xml

if TYPE_CHECKING:
    from collections.abc import Mapping

PCI = "/sys/devices/pci0000:00/0000:00:02.0"


@dataclass
class FakeFolder:
    """A device's folder that is a dictionary."""

    facts: Facts
    attributes: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, list[str]] = field(default_factory=dict)

    def text(self, name: str) -> str:
        return self.attributes.get(name, "")

    def link(self, name: str) -> str:
        return self.links.get(name, "")

    def names(self, name: str) -> list[str]:
        return self.folders.get(name, [])


def described(folder: FakeFolder) -> str:
    device = device_of(folder.facts)
    assert device is not None
    xml = device_xml(device, "computer", describing.head(folder), describing.BODIES[device.capability](folder))
    held_against_schema(xml)
    return "".join(line.strip() for line in xml.splitlines())


def held_against_schema(xml: str) -> None:
    try:
        validate(parse(xml, "device"), "nodedev")
    except DriverError as error:
        if error.code is not Code.ARGUMENT_UNSUPPORTED:
            raise


def test_a_pci_function_with_everything() -> None:
    facts = Facts(PCI, "pci", {"ID_VENDOR_FROM_DATABASE": "Intel & Co"}, {}, "igb")
    attributes = {
        "class": "0x060400",
        "vendor": "0x8086",
        "device": "0x10c9",
        "numa_node": "0",
        "sriov_totalvfs": "7",
        "max_link_speed": "8.0 GT/s PCIe",
        "max_link_width": "4",
        "current_link_speed": "Unknown",
        "current_link_width": "1",
    }
    links = {"iommu_group": "12", "virtfn0": "0000:00:02.1", "physfn": "0000:00:01.0"}
    folders = {"": ["virtfn0", "class"], "iommu_group/devices": ["0000:00:02.0"]}
    xml = described(FakeFolder(facts, attributes, links, folders))
    for part in (
        "<driver><name>igb</name></driver>",
        "<domain>0</domain><bus>0</bus><slot>2</slot><function>0</function>",
        '<product id="0x10c9"/><vendor id="0x8086">Intel &amp; Co</vendor>',
        '<capability type="virt_functions" maxCount="7"><address domain="0x0000" bus="0x00" slot="0x02" function="0x1"/>',
        '<capability type="pci-bridge"/>',
        '<iommuGroup number="12"><address domain="0x0000" bus="0x00" slot="0x02" function="0x0"/></iommuGroup>',
        '<numa node="0"/>',
        '<link validity="cap" speed="8" width="4"/><link validity="sta" width="1"/>',
    ):
        assert part in xml


def test_a_usb_stick_and_its_interface() -> None:
    stick = Facts(f"{PCI}/usb1/1-1", "usb", {"DEVTYPE": "usb_device", "DEVNAME": "bus/usb/001/002"})
    words = {"busnum": "1", "devnum": "2", "idProduct": "0001", "idVendor": "46f4", "product": "Stick", "manufacturer": "QEMU"}
    assert '<product id="0x0001">Stick</product><vendor id="0x46f4">QEMU</vendor>' in described(FakeFolder(stick, words))
    face = Facts(f"{PCI}/usb1/1-1/1-1:1.0", "usb", {"DEVTYPE": "usb_interface"})
    numbers = {"bInterfaceNumber": "00", "bInterfaceClass": "0e", "bInterfaceSubClass": "06", "bInterfaceProtocol": "zz"}
    assert "<number>0</number><class>14</class><subclass>6</subclass><protocol>0</protocol>" in described(
        FakeFolder(face, numbers)
    )


def test_a_network_card_and_a_wireless_one() -> None:
    facts = Facts(f"{PCI}/net/e0", "net", {"IFINDEX": "2"}, {"address": "52:54:00:00:00:01"})
    words = {"address": "52:54:00:00:00:01", "operstate": "up", "speed": "1000"}
    xml = described(FakeFolder(facts, words))
    assert (
        '<interface>e0</interface><address>52:54:00:00:00:01</address><link speed="1000" state="up"/><capability type="80203"/>'
        in xml
    )
    assert '<capability type="80211"/>' in described(FakeFolder(facts, {**words, "speed": "-1"}, {"phy80211": "phy0"}))


def test_a_disk_a_stick_that_can_be_pulled_and_a_cdrom() -> None:
    facts = Facts(
        f"{PCI}/block/sda", "block", {"DEVTYPE": "disk", "DEVNAME": "sda", "ID_BUS": "ata", "DEVLINKS": "/dev/disk/by-id/x"}
    )
    disk = described(FakeFolder(facts, {"size": "2048", "queue/logical_block_size": "4096", "serial": "S1"}))
    assert '<devnode type="dev">/dev/sda</devnode><devnode type="link">/dev/disk/by-id/x</devnode>' in disk
    assert "<bus>ata</bus><drive_type>disk</drive_type><serial>S1</serial>" in disk
    assert "<size>1048576</size><logical_block_size>4096</logical_block_size><num_blocks>256</num_blocks>" in disk
    pulled = described(FakeFolder(facts, {"removable": "1"}))
    assert '<capability type="removable"><media_available>0</media_available><media_size>0</media_size>' in pulled
    cdrom = Facts(f"{PCI}/block/sr0", "block", {"DEVTYPE": "disk"})
    assert "<drive_type>cdrom</drive_type>" in described(FakeFolder(cdrom))


@pytest.mark.parametrize(
    ("path", "subsystem", "devtype", "attributes", "says"),
    [
        (f"{PCI}/host2", "scsi", "scsi_host", {"scsi_host/host2/unique_id": "1"}, "<host>2</host><unique_id>1</unique_id>"),
        (
            f"{PCI}/host2",
            "scsi",
            "scsi_host",
            {"fc_host/host2/node_name": "0x2001001b32a9da4e", "fc_host/host2/port_name": "0x2101001b32a9da4e"},
            '<capability type="fc_host"><wwnn>2001001b32a9da4e</wwnn><wwpn>2101001b32a9da4e</wwpn></capability>',
        ),
        (f"{PCI}/target2:0:0", "scsi", "scsi_target", {}, "<target>target2:0:0</target>"),
        (f"{PCI}/2:0:1:3", "scsi", "scsi_device", {"type": "5"}, "<bus>0</bus><target>1</target><lun>3</lun><type>cdrom</type>"),
        (f"{PCI}/sg0", "scsi_generic", "", {}, "<char>/dev/sg0</char>"),
        (f"{PCI}/renderD128", "drm", "drm_minor", {}, "<type>render</type>"),
    ],
)
def test_scsi_and_graphics(path: str, subsystem: str, devtype: str, attributes: dict[str, str], says: str) -> None:
    assert says in described(FakeFolder(Facts(path, subsystem, {"DEVTYPE": devtype} if devtype else {}), attributes))


def test_the_machine_says_what_its_firmware_says() -> None:
    device = next(iter([device_of(Facts(PCI, "pci"))]))
    assert device is not None
    words = {"product_name": "Box", "sys_vendor": "Maker", "product_uuid": "C7A5FDBD-EDAF-9455-926A-D65C16DB1809"}
    nodes = list(describing.system(lambda name: words.get(name, "")))
    assert [node.tag for node in nodes] == ["product", "hardware", "firmware"]
    assert nodes[1].children[-1].text == "c7a5fdbd-edaf-9455-926a-d65c16db1809"
    assert next(iter(describing.system(lambda _: ""))).children[0].text == describing.NO_UUID
