"""Bad days of a store: files in other hands, full disks, read-only folders; nothing is lost and everything is told."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.unit.workers.runtime.lives import reopened
from tierhost.ipc.errors import Code
from tierhost.workers.runtime.store import Damage, Store, StoreFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")


@pytest.mark.slow
def test_a_store_that_somebody_else_holds_is_refused_and_not_touched(store: Store, folder: Path) -> None:
    store.put("things", "one", {})
    script = (
        "import sys, pathlib\n"
        "from tierhost.workers.runtime.store import Store, StoreFailed\n"
        "try:\n    Store.open(pathlib.Path(sys.argv[1]), 'persistent', boot_id=None)\n"
        "except StoreFailed as failed:\n    print(failed.code.name, failed)\n"
    )
    command = [sys.executable, "-c", script, str(folder)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert told.startswith("RESOURCE_BUSY")
    assert str(folder) in told
    assert not list(folder.glob("*.damaged-*"))
    store.put("things", "two", {})


def test_one_failing_file_degrades_the_store_and_it_heals_by_itself(store: Store, folder: Path) -> None:
    told: list[tuple[str, str]] = []
    store.watch(lambda name, trouble: told.append((name, trouble)))
    store.put("things", "one", {"n": 1})
    (folder / "persistent.a.db.new" / "in the way").mkdir(parents=True)
    (folder / "persistent.a.db").unlink()
    store.put("things", "two", {"n": 2})
    store.put("things", "three", {"n": 3})
    assert list(store.troubles()) == ["persistent.a.db"]
    assert [name for name, _ in told] == ["state file persistent.a.db"]
    with reopened(folder) as again:
        assert set(again.all("things")) == {"one", "two", "three"}
        assert list(again.troubles()) == ["persistent.a.db"], "the next life cannot make it either"
    (folder / "persistent.a.db.new" / "in the way").rmdir()
    (folder / "persistent.a.db.new").rmdir()
    store.put("things", "four", {"n": 4})
    assert store.troubles() == {}
    assert told[-1] == ("state file persistent.a.db", "")
    for path in folder.glob("persistent.b.db*"):
        path.unlink()
    with reopened(folder) as again:
        assert set(again.all("things")) == {"one", "two", "three", "four"}


def test_a_watcher_hears_of_troubles_that_are_there_already(store: Store, folder: Path) -> None:
    (folder / "persistent.b.db.new" / "in the way").mkdir(parents=True)
    store.put("things", "one", {"n": 1})
    told: list[str] = []
    store.watch(lambda name, _trouble: told.append(name))
    assert told == ["state file persistent.b.db"]


def test_a_watcher_hears_of_damage_until_it_is_written_over(store: Store, folder: Path) -> None:
    store.put("things", "one", {"n": 1})
    store.close()
    for path in folder.glob("persistent.?.db"):
        path.unlink()
    with contextlib.closing(Store.open(folder, "persistent", boot_id=None)) as again:
        told: list[tuple[str, bool]] = []
        again.watch(lambda subject, trouble: told.append((subject, bool(trouble))))
        (damage,) = again.damage()
        again.dismiss(damage)
        assert told == [("state", True), ("state", False)]
        assert again.damage() == []


def test_what_neither_file_takes_is_refused_and_changes_nothing(store: Store, folder: Path) -> None:
    store.put("things", "one", {"n": 1})
    for side in "ab":
        (folder / f"persistent.{side}.db.new" / "in the way").mkdir(parents=True)
        (folder / f"persistent.{side}.db").unlink()
    with pytest.raises(StoreFailed) as failed:
        store.put("things", "two", {"n": 2})
    assert failed.value.code is Code.SYSTEM_ERROR
    assert "persistent.a.db" in str(failed.value)
    assert store.all("things") == {"one": {"n": 1}}
    for side in "ab":
        shutil.rmtree(folder / f"persistent.{side}.db.new")
    store.put("things", "three", {"n": 3})
    with reopened(folder) as again:
        assert again.all("things") == {"one": {"n": 1}, "three": {"n": 3}}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own that a test may fill up or make read-only."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tierhost-test", disk], check=True, timeout=20)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True, timeout=20)


def fill_up(disk: Path) -> Path:
    ballast = disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return ballast


@needs_root
@pytest.mark.root
def test_a_full_disk_refuses_changes_and_loses_nothing(small_disk: Path) -> None:
    folder = small_disk / "secret"
    with contextlib.closing(Store.open(folder, "persistent", boot_id=None)) as store:
        store.put("things", "one", {"n": 1})
        ballast = fill_up(small_disk)
        with pytest.raises(StoreFailed) as failed:
            store.put("things", "big", {"text": "x" * 100_000})
        assert "full" in str(failed.value)
        assert str(folder) in str(failed.value)
        assert store.all("things") == {"one": {"n": 1}}
        ballast.unlink()
        store.put("things", "two", {"n": 2})
    with contextlib.closing(Store.open(folder, "persistent", boot_id=None)) as store:
        assert store.all("things") == {"one": {"n": 1}, "two": {"n": 2}}
        assert store.damage() == []


@needs_root
@pytest.mark.root
def test_a_store_opens_on_a_full_disk_even_with_a_broken_file(small_disk: Path) -> None:
    folder = small_disk / "secret"
    with contextlib.closing(Store.open(folder, "persistent", boot_id=None)) as store:
        store.put("things", "one", {"n": 1})
    (folder / "persistent.a.db").write_bytes(b"broken")
    fill_up(small_disk)
    with contextlib.closing(Store.open(folder, "persistent", boot_id=None)) as store:
        assert store.all("things") == {"one": {"n": 1}}
        assert list(store.troubles()) == ["persistent.a.db"]


@needs_root
@pytest.mark.root
def test_a_read_only_state_directory_is_a_clear_error_and_loses_nothing(small_disk: Path) -> None:
    folder = small_disk / "secret"
    elsewhere = small_disk.parent / "live"
    with contextlib.closing(Store.open(elsewhere / "secret", "persistent", boot_id=None)) as store:
        store.put("things", "one", {"n": 1})
        shutil.copytree(elsewhere / "secret", folder)  # as a kill leaves it: the row is in the log only
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True, timeout=20)
    with contextlib.closing(Store.open(folder, "persistent", boot_id=None)) as store:
        assert store.all("things") == {"one": {"n": 1}}, "what is there can be read"
        assert list(store.troubles()) == ["persistent.a.db", "persistent.b.db"]
        with pytest.raises(StoreFailed, match=r"persistent\.a\.db.*read-?only"):
            store.put("things", "two", {"n": 2})
        subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True, timeout=20)
        store.put("things", "three", {"n": 3})
        assert store.troubles() == {}
    with contextlib.closing(Store.open(folder, "persistent", boot_id=None)) as store:
        assert store.all("things") == {"one": {"n": 1}, "three": {"n": 3}}


@needs_root
@pytest.mark.root
def test_a_loss_is_shown_even_when_it_cannot_be_put_on_record(small_disk: Path) -> None:
    folder = small_disk / "secret"
    with contextlib.closing(Store.open(folder, "persistent", boot_id=None)) as store:
        store.put("things", "one", {"n": 1})
    for path in folder.glob("persistent.?.db"):
        path.unlink()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True, timeout=20)
    with contextlib.closing(Store.open(folder, "persistent", boot_id=None)) as store:
        (damage,) = store.damage()
        assert isinstance(damage, Damage)
        assert "both files" in damage.reason
