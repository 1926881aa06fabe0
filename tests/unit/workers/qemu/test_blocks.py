"""Disks as QEMU sees them: keys, block graphs, devices and their places."""

from __future__ import annotations

import base64
import itertools
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.workers.qemu.samples import domain, read
from tierhost.workers.qemu.blocks import Place, Wrapped, block_nodes, device, secret
from tierhost.workers.qemu.disk_xml import PLACES
from tierhost.workers.qemu.domain import Disk, Domain, Key

RAW = Place("/a", "raw")
VDA = Disk("vda", "virtio", 0, path="/a")


@pytest.fixture(params=["pc", "q35"])
def guest(request: pytest.FixtureRequest) -> Domain:
    return read(domain(machine=request.param))


def test_a_secret_is_text_under_the_guests_own_key() -> None:
    made = secret("key-vda", Wrapped(b"\x00\xff", b"iv"))
    assert (made["qom-type"], made["id"], made["keyid"], made["format"]) == ("secret", "key-vda", "masterKey0", "base64")
    assert (base64.b64decode(made["data"]), base64.b64decode(made["iv"])) == (b"\x00\xff", b"iv")


def test_a_plain_image_is_a_file_in_a_format() -> None:
    made = block_nodes(VDA, RAW)
    assert (made["driver"], made["node-name"], made["file"]["driver"]) == ("raw", "disk-vda", "file")
    assert (made["file"]["filename"], made["file"]["node-name"]) == ("/a", "disk-vda-file")


def test_a_block_device_is_opened_as_one() -> None:
    assert block_nodes(VDA, replace(RAW, kind="block"))["file"]["driver"] == "host_device"


def test_an_encrypted_image_names_its_key_and_never_has_it() -> None:
    raw = block_nodes(replace(VDA, key=Key(usage="x")), RAW)
    assert (raw["driver"], raw["key-secret"]) == ("luks", "key-vda")
    inside = block_nodes(replace(VDA, key=Key(usage="x")), Place("/a", "qcow2"))
    assert (inside["driver"], inside["encrypt"]) == ("qcow2", {"format": "luks", "key-secret": "key-vda"})


@pytest.mark.parametrize(
    ("cache", "direct", "no_flush", "write_cache"),
    [
        ("writeback", False, False, "on"),
        ("none", True, False, "on"),
        ("writethrough", False, False, "off"),
        ("directsync", True, False, "off"),
        ("unsafe", False, True, "on"),
    ],
)
def test_a_cache_mode_is_three_switches(*, cache: str, direct: bool, no_flush: bool, write_cache: str, guest: Domain) -> None:
    disk = replace(VDA, cache=cache)
    made = block_nodes(disk, RAW)
    assert made["cache"] == made["file"]["cache"] == {"direct": direct, "no-flush": no_flush}
    assert device(guest, disk)["write-cache"] == write_cache


def test_a_guest_stops_when_its_disk_fails_unless_its_definition_says_otherwise(guest: Domain) -> None:
    assert device(guest, VDA).items() >= {"werror": "stop", "rerror": "stop"}.items()
    other = device(guest, replace(VDA, on_write_error="enospace", on_read_error="report"))
    assert other.items() >= {"werror": "enospc", "rerror": "report"}.items()


def test_an_empty_drive_has_no_medium(guest: Domain) -> None:
    made = device(guest, Disk("sda", "sata", 0, device="cdrom", readonly=True))
    assert made["driver"] == "ide-cd"
    assert not made.keys() & {"drive", "werror", "rerror", "write-cache"}


def test_a_serial_number_and_a_boot_order_are_the_devices(guest: Domain) -> None:
    assert device(guest, replace(VDA, serial="S", boot_order=2)).items() >= {"serial": "S", "bootindex": 2}.items()
    assert not device(guest, VDA).keys() & {"serial", "bootindex"}


def place(made: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(made.get(key) for key in ("bus", "addr", "unit", "scsi-id", "lun"))


def test_every_place_of_every_bus_is_another_one(guest: Domain) -> None:
    buses = [bus for bus in PLACES if not (bus == "ide" and "q35" in guest.machine)]
    found = [place(device(guest, Disk("x", bus, index, path="/a"))) for bus in buses for index in range(PLACES[bus])]
    assert len(set(found)) == len(found)


def test_disks_stay_out_of_the_slots_of_others(guest: Domain) -> None:
    slots = [int(device(guest, Disk("x", "virtio", index, path="/a"))["addr"], 16) for index in range(PLACES["virtio"])]
    taken = {*range(8), *range(16, 24), 31}
    assert not taken & set(slots)
    assert max(slots) < 32
    assert all(first != second for first, second in itertools.combinations(slots, 2))
