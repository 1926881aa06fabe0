"""Images told by their first bytes."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierhost.workers.storage.headers import LUKS_MAGIC, QCOW2_MAGIC, Header, probe, read_header

if TYPE_CHECKING:
    from pathlib import Path


def qcow2(capacity: int, backing: bytes = b"", backing_format: bytes = b"", crypt: int = 0, version: int = 3) -> bytes:
    header = struct.pack(">4sIQIIQI", QCOW2_MAGIC, version, 512 if backing else 0, len(backing), 16, capacity, crypt)
    header = header.ljust(100, b"\0") + struct.pack(">I", 104)
    if backing_format:
        header += struct.pack(">II", 0xE2792ACA, len(backing_format)) + backing_format.ljust(8, b"\0")
    header += struct.pack(">II", 0, 0)
    return header.ljust(512, b"\0") + backing


def luks1(payload_sectors: int) -> bytes:
    return (LUKS_MAGIC + struct.pack(">H", 1)).ljust(104, b"\0") + struct.pack(">I", payload_sectors)


def luks2(offset: int) -> bytes:
    return (LUKS_MAGIC + struct.pack(">H", 2)).ljust(4096, b"\0") + b'{"segments":{"0":{"type":"crypt","offset":"%d"}}}' % offset


def test_what_looks_like_nothing_is_raw() -> None:
    assert probe(b"\0" * 512, 512) == Header("raw", 512)
    assert probe(b"", 0) == Header("raw", 0)


def test_a_qcow2_image_has_its_own_capacity() -> None:
    assert probe(qcow2(1 << 30), 200_000) == Header("qcow2", 1 << 30)
    assert probe(qcow2(5, version=2), 200_000) == Header("qcow2", 5)


def test_a_qcow2_image_names_what_is_below_it() -> None:
    found = probe(qcow2(1, b"base.img", b"raw"), 9)
    assert (found.backing_path, found.backing_format) == ("base.img", "raw")


def test_encryption_inside_of_qcow2_is_seen() -> None:
    assert probe(qcow2(1, crypt=2), 9).luks


def test_an_encrypted_volume_is_smaller_than_its_file() -> None:
    assert probe(luks1(4096), 6 << 20) == Header("raw", 4 << 20, luks=True, payload_offset=2 << 20)
    assert probe(luks2(16 << 20), 20 << 20).capacity == 4 << 20


@pytest.mark.parametrize("head", [QCOW2_MAGIC, LUKS_MAGIC, LUKS_MAGIC + b"\0\x02{}", qcow2(1)[:30]])
def test_a_header_that_is_cut_short_is_told_and_costs_nothing_else(head: bytes) -> None:
    assert "cut short" in probe(head, 99).damage


@pytest.mark.parametrize(("head", "name"), [(b"KDMV", "vmdk"), (b"vhdxfile", "vhdx"), (b"\0" * 0x8001 + b"CD001", "iso")])
def test_other_formats_are_not_taken_for_raw(head: bytes, name: str) -> None:
    assert probe(head, len(head)).format == name


@given(st.binary(max_size=200))
def test_no_bytes_at_all_raise(tail: bytes) -> None:
    for magic in (b"", QCOW2_MAGIC, LUKS_MAGIC):
        probe(magic + tail, len(tail))


def test_a_raw_volume_that_we_made_is_raw_whatever_its_guest_writes(tmp_path: Path) -> None:
    path = tmp_path / "v"
    path.write_bytes(qcow2(1 << 40, b"/etc/shadow", b"raw"))
    assert read_header(str(path), ("raw", False)) == Header("raw", path.stat().st_size)
    assert read_header(str(path)).backing_path == "/etc/shadow"


def test_a_volume_that_lost_its_header_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "v"
    path.write_bytes(b"\0" * 512)
    assert "should be qcow2" in read_header(str(path), ("qcow2", False)).damage
    assert "should be an encrypted volume" in read_header(str(path), ("raw", True)).damage


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "v").symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="symbolic"):
        read_header(str(tmp_path / "v"))
