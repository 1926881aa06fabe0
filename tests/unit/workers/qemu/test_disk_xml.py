"""Disks: what is read, where each has its place, and what is refused."""

from __future__ import annotations

import pytest

from tierhost.workers.qemu.disk_xml import PLACES, disk_from_text
from tierhost.workers.qemu.domain import Disk, Key
from tierhost.workers.runtime.definitions import BadDefinition, Unsupported

SECRET = "<secret type='passphrase' uuid='0d4b2f9e-52a7-4a53-8a10-6a8f0c6d7e01'/>"


def disk(
    inside: str = "",
    *,
    dev: str = "vda",
    bus: str = "",
    source: str = "<source file='/a'/>",
    kind: str = "file",
    device: str = "",
) -> str:
    bus = f" bus='{bus}'" if bus else ""
    device = f" device='{device}'" if device else ""
    return f"<disk type='{kind}'{device}>{source}<target dev='{dev}'{bus}/>{inside}</disk>"


def read(text: str) -> Disk:
    found, unread = disk_from_text(text)
    assert unread == []
    return found


def test_a_disk_on_a_file_has_sound_defaults() -> None:
    found = read(disk())
    assert found == Disk("vda", "virtio", 0, path="/a")
    assert (found.format, found.cache, found.on_write_error, found.discard) == ("raw", "writeback", "stop", "ignore")


@pytest.mark.parametrize(
    ("dev", "bus", "place"),
    [
        ("vda", "", ("virtio", 0)),
        ("vdo", "", ("virtio", 14)),
        ("hdd", "", ("ide", 3)),
        ("sda", "", ("scsi", 0)),
        ("sdz", "", ("scsi", 25)),
        ("sdaa", "", ("scsi", 26)),
        ("sdiv", "", ("scsi", 255)),
        ("sda", "sata", ("sata", 0)),
        ("sdb", "virtio", ("virtio", 1)),
    ],
)
def test_the_letters_of_a_target_say_its_place(dev: str, bus: str, place: tuple[str, int]) -> None:
    found = read(disk(dev=dev, bus=bus))
    assert (found.bus, found.index) == place


@pytest.mark.parametrize(("dev", "bus"), [("vdp", "virtio"), ("hde", "ide"), ("sdg", "sata"), ("sdiw", "scsi"), ("sdzz", "scsi")])
def test_a_place_that_a_bus_does_not_have_is_refused(dev: str, bus: str) -> None:
    with pytest.raises(BadDefinition, match=f"a {bus} bus has {PLACES[bus]} places here"):
        read(disk(dev=dev, bus=bus))


def test_names_in_qemu_follow_from_the_target_and_are_short_enough() -> None:
    found = read(disk(dev="sdiv"))
    assert (found.node, found.device_id, found.key_id) == ("disk-sdiv", "dev-sdiv", "key-sdiv")
    assert len(f"{found.node}-file") <= 31


def test_a_volume_of_a_pool_is_read() -> None:
    found = read(disk(source="<source pool='images' volume='a.qcow2' mode='host'/>", kind="volume"))
    assert (found.kind, found.pool, found.volume, found.path) == ("volume", "images", "a.qcow2", "")


def test_a_block_device_is_read() -> None:
    assert read(disk(source="<source dev='/dev/sdx'/>", kind="block")).path == "/dev/sdx"


def test_a_cdrom_may_be_empty_and_is_always_read_only() -> None:
    found = read(disk(source="", dev="hdc", device="cdrom"))
    assert (found.path, found.readonly, found.device) == ("", True, "cdrom")


def test_the_driver_of_a_disk_is_read() -> None:
    policies = "error_policy='enospace' rerror_policy='report' discard='unmap'"
    driver = f"<driver name='qemu' type='qcow2' cache='none' io='native' {policies}/>"
    found = read(disk(driver))
    assert (found.format, found.cache, found.io) == ("qcow2", "none", "native")
    assert (found.on_write_error, found.on_read_error, found.discard) == ("enospace", "report", "unmap")


def test_a_key_is_named_by_uuid_or_by_usage_inside_of_the_source_or_beside_it() -> None:
    named = "<encryption format='luks'><secret type='passphrase' usage='/srv/a'/></encryption>"
    assert read(disk(named)).key == Key(usage="/srv/a")
    assert read(disk(source=f"<source file='/a'>{named}</source>")).key == Key(usage="/srv/a")
    assert read(disk(f"<encryption format='luks' engine='qemu'>{SECRET}</encryption>")).key == Key(uuid=SECRET.split("'")[3])


def test_what_libvirt_writes_into_a_disk_is_kept_and_without_effect() -> None:
    read(disk("<alias name='virtio-disk0'/><address type='pci' slot='0x09'/>"))


def test_a_serial_number_and_a_boot_order_are_read() -> None:
    found = read(disk("<serial>WD-1 2.3+x</serial><boot order='3'/>"))
    assert (found.serial, found.boot_order) == ("WD-1 2.3+x", 3)


def test_what_nobody_acts_on_is_reported() -> None:
    _, unread = disk_from_text(disk("<driver name='qemu' queues='4'/><wwn>1</wwn>"))
    assert unread == ["/disk/driver/@queues (line 1)", "/disk/wwn (line 1)"]


@pytest.mark.parametrize("tag", ["auth", "shareable", "transient", "iotune", "mirror", "backingStore", "throttlefilters"])
def test_what_touches_safety_is_refused_by_name(tag: str) -> None:
    with pytest.raises(Unsupported, match=f"<{tag}> is not supported here, and ignoring it would not be safe"):
        read(disk(f"<{tag}/>"))


@pytest.mark.parametrize("tag", ["auth", "reservations", "slices", "seclabel"])
def test_what_touches_safety_in_a_source_is_refused_by_name(tag: str) -> None:
    with pytest.raises(Unsupported, match=f"<{tag}> is not supported here"):
        read(disk(source=f"<source file='/a'><{tag}/></source>"))


def test_two_keys_of_one_disk_are_refused() -> None:
    key = f"<encryption format='luks'>{SECRET}</encryption>"
    with pytest.raises(Unsupported, match="<encryption> is not supported here"):
        read(disk(key, source=f"<source file='/a'>{key}</source>"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (disk("<encryption format='qcow'/>"), "only encryption of format 'luks'"),
        (disk("<driver io='native'/>"), "io='native' needs cache='none'"),
        (disk(device="cdrom"), "a cdrom cannot be on a virtio bus"),
        (disk("<readonly/>", dev="hda"), "QEMU has no read-only ide disks"),
        (disk("<readonly/>", dev="sda", bus="sata"), "QEMU has no read-only sata disks"),
    ],
)
def test_what_cannot_be_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(Unsupported, match=words):
        read(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<interface/>", "expected <disk>"),
        (disk(kind="dir"), "'type' is 'dir'"),
        (disk(device="floppy"), "'device' is 'floppy'"),
        (disk(dev="vd1"), "expected something like vda, hda or sda"),
        (disk(dev="vdA"), "expected something like"),
        (disk(dev="vdaaa"), "expected something like"),
        (disk(dev="vda\n"), "expected something like|is missing"),
        (disk(dev=""), "'dev' is missing"),
        (disk(bus="usb"), "'bus' is 'usb'"),
        (disk(source=""), "<source> is missing"),
        (disk(source="<source file=''/>"), "'file' is missing"),
        (disk(source="<source file='a.img'/>"), "expected an absolute one"),
        (disk(source="<source file='nbd://host/x'/>"), "expected an absolute one"),
        (disk(source="<source file='/a&#10;b'/>"), "expected an absolute one"),
        (disk(source="<source pool='p'/>", kind="volume"), "'volume' is missing"),
        (disk(source="<source pool='p' volume='v' mode='direct'/>", kind="volume"), "'mode' is 'direct'"),
        (disk("<driver name='phy'/>"), "'name' is 'phy'"),
        (disk("<driver type='vmdk'/>"), "'type' is 'vmdk'"),
        (disk("<driver cache='fast'/>"), "'cache' is 'fast'"),
        (disk("<driver error_policy='retry'/>"), "'error_policy' is 'retry'"),
        (disk("<driver rerror_policy='enospace'/>"), "'rerror_policy' is 'enospace'"),
        (disk("<encryption format='luks'/>"), "<secret> is missing"),
        (disk("<encryption format='luks'><secret type='passphrase'/></encryption>"), "either uuid or usage"),
        (disk("<encryption format='luks'><secret type='passphrase' uuid='u' usage='v'/></encryption>"), "either uuid or usage"),
        (disk("<encryption format='luks'><secret type='volume' uuid='u'/></encryption>"), "'type' is 'volume'"),
        (disk("<encryption format='luks' engine='librbd'/>"), "'engine' is 'librbd'"),
        (disk("<serial>a,b=c</serial>"), "at most 36 letters"),
        (disk(f"<serial>{'9' * 37}</serial>"), "at most 36 letters"),
        (disk("<boot order='0'/>"), "order is 0, expected 1 to 99"),
        (disk("<boot/>"), "'order' is missing"),
    ],
)
def test_bad_disks_say_what_is_wrong(text: str, words: str) -> None:
    with pytest.raises(BadDefinition, match=words):
        read(text)
