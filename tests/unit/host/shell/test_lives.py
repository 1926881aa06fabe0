"""What the next host learns of lives and of this boot, also from records that were damaged."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import msgpack
import pytest

from tierhost.host.shell.lives import BootRecord, Life, Lives

if TYPE_CHECKING:
    from pathlib import Path

LIFE = Life(
    driver="storage",
    incarnation=4,
    alive=True,
    pid=4711,
    start_time=123_456,
    identity="w.1.7",
    slot=2,
    cgroup="/sys/fs/cgroup/tierhost-x/w.1.7",
    log="worker-w.1.7.log",
    started_s=99.5,
)


@pytest.fixture
def lives(tmp_path: Path) -> Lives:
    return Lives(tmp_path / "lives")


def test_the_next_host_reads_what_this_one_wrote(lives: Lives, tmp_path: Path) -> None:
    other = replace(LIFE, driver="qemu", alive=False)
    lives.write(LIFE)
    lives.write(other)
    assert Lives(tmp_path / "lives").read() == ([other, LIFE], [])


def test_a_record_is_replaced_as_a_whole(lives: Lives, tmp_path: Path) -> None:
    lives.write(LIFE)
    lives.write(replace(LIFE, incarnation=5))
    assert lives.read() == ([replace(LIFE, incarnation=5)], [])
    assert [path.name for path in (tmp_path / "lives").iterdir()] == ["storage"]


def test_what_a_host_that_died_while_writing_left_is_cleared_away(lives: Lives, tmp_path: Path) -> None:
    lives.write(LIFE)
    (tmp_path / "lives/storage.new").write_bytes(b"\x8a\xa6dri")
    assert lives.read() == ([LIFE], [])
    assert not (tmp_path / "lives/storage.new").exists()


def record(**other: Any) -> bytes:
    packed: bytes = msgpack.packb(asdict(LIFE) | other)
    return packed


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 100,
        record()[:-1],
        record() + b"\0",
        b"\xff\xfe",
        msgpack.packb([1, 2]),
        msgpack.packb({"driver": "storage"}),
        record(more=1),
        record(pid="4711"),
        record(pid=True),
        record(pid=0),
        record(pid=-1),
        record(incarnation=0),
        record(slot=-1),
        record(slot=100_000),
        record(cgroup=None),
        record(driver="qemu"),
    ],
)
def test_a_damaged_record_is_named_and_put_aside_and_costs_nobody_else(data: bytes, lives: Lives, tmp_path: Path) -> None:
    other = replace(LIFE, driver="qemu")
    lives.write(other)
    (tmp_path / "lives/storage").write_bytes(data)
    assert lives.read() == ([other], ["storage"])
    assert (tmp_path / "storage.damaged-life").read_bytes() == data
    assert lives.read() == ([other], [])


# Once per boot.


@pytest.fixture
def boot(tmp_path: Path) -> Path:
    return tmp_path / "boot"


def test_who_has_auto_started_is_known_for_the_rest_of_the_boot(boot: Path) -> None:
    BootRecord(boot, "boot 1").add("storage")
    following = BootRecord(boot, "boot 1")
    assert (following.same_boot, following.started) == (True, {"storage"})
    following.add("qemu")
    assert BootRecord(boot, "boot 1").started == {"storage", "qemu"}


def test_another_boot_begins_with_nobody(boot: Path) -> None:
    BootRecord(boot, "boot 1").add("storage")
    following = BootRecord(boot, "boot 2")
    assert (following.same_boot, following.started) == (False, set())
    following.write()
    assert BootRecord(boot, "boot 2").same_boot
    assert not BootRecord(boot, "boot 1").same_boot


def test_the_first_host_of_all_finds_no_record(boot: Path) -> None:
    assert not BootRecord(boot, "boot 1").same_boot


@pytest.mark.parametrize(
    "data",
    [b"", b"\0\0", b"\xff", msgpack.packb(5), msgpack.packb({"started": []}), msgpack.packb({"boot_id": "boot 1", "started": 5})],
)
def test_a_damaged_boot_record_says_nothing_about_who_started(data: bytes, boot: Path) -> None:
    boot.write_bytes(data)
    assert BootRecord(boot, "boot 1").started == set()
