"""Changes we make ourselves to a definition's XML."""

from __future__ import annotations

from lxml import etree

from tests.unit.workers.qemu.samples import DISK, domain, read
from tierhost.workers.qemu.editing import as_shown, with_disk, with_machine, without_disk

SECOND = "<disk type='file'><source file='/b'/><target dev='vdb'/></disk>"


def targets(xml: str) -> list[str]:
    return [disk.target for disk in read(xml).disks]


def test_a_disk_comes_and_goes() -> None:
    more = with_disk(domain(DISK), SECOND)
    assert targets(more) == ["vda", "vdb"]
    assert targets(without_disk(more, "vda")) == ["vdb"]
    assert targets(without_disk(more, "vdz")) == ["vda", "vdb"]


def test_a_definition_without_devices_takes_a_disk() -> None:
    least = "<domain type='qemu'><name>web</name><memory>16384</memory><os><type>hvm</type></os></domain>"
    assert targets(with_disk(least, DISK)) == ["vda"]


def test_a_disk_without_a_target_is_no_hindrance() -> None:
    assert "disk" in without_disk("<domain><devices><disk/></devices></domain>", "vda")


def test_the_machine_is_named_where_it_was_only_meant() -> None:
    assert read(with_machine(domain(), "pc-i440fx-7.2")).machine == "pc-i440fx-7.2"


def test_a_running_guest_shows_its_number_and_its_port_and_its_password_only_when_asked() -> None:
    found = read(domain("<graphics type='vnc' passwd='sesame'/>"))
    plain = as_shown(found, number=7, secure=False, vnc_port=5901)
    root = etree.fromstring(plain)
    graphics = root.find("devices/graphics")
    assert graphics is not None
    assert (root.get("id"), graphics.get("port"), graphics.get("passwd")) == ("7", "5901", None)
    assert 'passwd="sesame"' in as_shown(found, number=None, secure=True)


def test_a_guest_that_is_off_has_no_number() -> None:
    assert etree.fromstring(as_shown(read(domain()), number=None, secure=True)).get("id") is None
