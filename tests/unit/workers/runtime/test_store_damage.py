"""Any one file of a store may be damaged in any way: nothing acknowledged is lost, and what was mended is told."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from tierhost.workers.runtime.store import Damage, Store

SUFFIXES = ("a.db", "a.db-wal", "a.db-shm", "b.db", "b.db-wal", "b.db-shm", "exists")
ROWS = {f"row {number}": {"n": number, "text": "x" * (number * 37)} for number in range(40)}

Harm: TypeAlias = Callable[[Path, Path, Path], None]
"""What is done to a file, given an old version of it and the same file of another store."""


def truncate(file: Path, _old: Path, _other: Path) -> None:
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size * 2 // 3)


def flip(file: Path, _old: Path, _other: Path) -> None:
    content = bytearray(file.read_bytes())
    if content:
        content[len(content) * 3 // 5] ^= 0x10
    file.write_bytes(content)


def flip_many(file: Path, _old: Path, _other: Path) -> None:
    content = bytearray(file.read_bytes())
    chance = random.Random(7)
    for _ in range(min(len(content), 200)):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    file.write_bytes(content)


def delete(file: Path, _old: Path, _other: Path) -> None:
    file.unlink()


def old_version(file: Path, old: Path, _other: Path) -> None:
    file.unlink()
    if old.exists():
        shutil.copy(old, file)


def swap(file: Path, _old: Path, other: Path) -> None:
    file.unlink()
    if other.exists():
        shutil.copy(other, file)


def zero_length(file: Path, _old: Path, _other: Path) -> None:
    file.write_bytes(b"")


def garbage(file: Path, _old: Path, _other: Path) -> None:
    file.write_bytes(random.Random(3).randbytes(9000))


def directory(file: Path, _old: Path, _other: Path) -> None:
    file.unlink()
    file.mkdir()


HARMS: tuple[Harm, ...] = (truncate, flip, flip_many, delete, old_version, swap, zero_length, garbage, directory)


@pytest.fixture(scope="module")
def specimens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Three stores on disk as kill -9 leaves them: an old version, a new version of the same, and another one."""
    folder = tmp_path_factory.mktemp("specimens")
    store = Store.open(folder / "live" / "secret", "persistent", boot_id=None)
    for number, (key, row) in enumerate(ROWS.items()):
        if number == len(ROWS) // 2:
            shutil.copytree(folder / "live", folder / "old")
        store.put("things", key, row)
    shutil.copytree(folder / "live", folder / "new")
    store.close()
    other = Store.open(folder / "live-other" / "secret", "persistent", boot_id=None)
    for key in ROWS:
        other.put("things", key, {"n": -1})
    shutil.copytree(folder / "live-other", folder / "other")
    other.close()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: str(harm.__name__))
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nothing_is_lost_when_one_file_is_harmed(specimens: Path, tmp_path: Path, suffix: str, harm: Harm) -> None:
    shutil.copytree(specimens / "new", tmp_path, dirs_exist_ok=True)
    name = f"secret/persistent.{suffix}"
    if suffix.endswith("-shm"):
        (tmp_path / name).write_bytes(b"left by a tool")  # we never make one, and never believe one
    harm(tmp_path / name, specimens / "old" / name, specimens / "other" / name)
    for _ in range(2):
        with contextlib.closing(Store.open(tmp_path / "secret", "persistent", boot_id=None)) as store:
            assert store.all("things") == ROWS
            assert store.damage() == []
            assert store.troubles() == {}
    with contextlib.closing(Store.open(tmp_path / "secret", "persistent", boot_id=None)) as store:
        assert store.repaired == [], "the second opening found everything mended"


@pytest.mark.parametrize("side", ["a", "b"])
def test_mending_is_told_and_the_evidence_is_kept(specimens: Path, tmp_path: Path, side: str) -> None:
    shutil.copytree(specimens / "new", tmp_path, dirs_exist_ok=True)
    file = tmp_path / f"secret/persistent.{side}.db"
    garbage(file, file, file)
    content = file.read_bytes()
    with contextlib.closing(Store.open(tmp_path / "secret", "persistent", boot_id=None)) as store:
        assert len(store.repaired) == 1
        assert file.name in store.repaired[0]
    assert file.with_name(f"{file.name}.damaged-1").read_bytes() == content


def test_evidence_is_bounded_and_the_latest_is_kept(specimens: Path, tmp_path: Path) -> None:
    shutil.copytree(specimens / "new", tmp_path, dirs_exist_ok=True)
    file = tmp_path / "secret/persistent.a.db"
    for number in range(6):
        file.write_bytes(b"broken %d" % number)
        Store.open(tmp_path / "secret", "persistent", boot_id=None).close()
    evidence = {path.read_bytes() for path in file.parent.glob("persistent.a.db.damaged-*")}
    assert evidence == {b"broken 3", b"broken 4", b"broken 5"}


@pytest.mark.parametrize("harm", [truncate, flip_many, zero_length, garbage], ids=lambda harm: str(harm.__name__))
@pytest.mark.parametrize("side", ["a", "b"])
def test_a_mirror_that_lags_by_one_commit_may_lose_the_other_side(specimens: Path, tmp_path: Path, side: str, harm: Harm) -> None:
    # killed between the two files: a has a commit that nobody was told of
    shutil.copytree(specimens / "new", tmp_path, dirs_exist_ok=True)
    live = tmp_path / "secret"
    store = Store.open(live, "persistent", boot_id=None)
    before = {path: path.read_bytes() for path in live.glob("persistent.b.db*")}
    store.put("things", "late", {"n": 1})
    shutil.copytree(live, tmp_path / "cut" / "secret")
    store.close()
    for path, content in before.items():
        (tmp_path / "cut" / "secret" / path.name).write_bytes(content)
    file = tmp_path / f"cut/secret/persistent.{side}.db"
    harm(file, file, file)
    with contextlib.closing(Store.open(tmp_path / "cut" / "secret", "persistent", boot_id=None)) as store:
        rows = store.all("things")
        rows.pop("late", None)
        assert rows == ROWS
        assert store.damage() == []


def break_row(file: Path, key: str) -> None:
    """Change one row's body as a bad disk would, in a file that is otherwise perfect."""
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE rows SET body = ? WHERE key = ?", (b"\x81\xa1n\x63", key.encode()))
        connection.commit()


def test_a_row_broken_in_one_file_is_taken_from_the_other(specimens: Path, tmp_path: Path) -> None:
    shutil.copytree(specimens / "new", tmp_path, dirs_exist_ok=True)
    break_row(tmp_path / "secret/persistent.a.db", "row 5")
    break_row(tmp_path / "secret/persistent.b.db", "row 6")
    with contextlib.closing(Store.open(tmp_path / "secret", "persistent", boot_id=None)) as store:
        assert store.all("things") == ROWS
        assert store.damage() == []
        assert len(store.repaired) == 2


def test_a_row_broken_in_both_files_is_quarantined_and_the_rest_works(specimens: Path, tmp_path: Path) -> None:
    shutil.copytree(specimens / "new", tmp_path, dirs_exist_ok=True)
    for side in "ab":
        break_row(tmp_path / f"secret/persistent.{side}.db", "row 5")
    for _ in range(2):  # and it is still on record at the next opening
        with contextlib.closing(Store.open(tmp_path / "secret", "persistent", boot_id=None)) as store:
            assert store.damage() == [Damage("things", "row 5", "the row's digest does not fit its content")]
            assert store.all("things") == {key: row for key, row in ROWS.items() if key != "row 5"}
    with contextlib.closing(Store.open(tmp_path / "secret", "persistent", boot_id=None)) as store:
        store.put("things", "row 5", ROWS["row 5"])
        assert store.damage() == [], "written anew, it is whole again"
        assert store.all("things") == ROWS


def test_damage_goes_off_the_record_when_it_is_dismissed(specimens: Path, tmp_path: Path) -> None:
    shutil.copytree(specimens / "new", tmp_path, dirs_exist_ok=True)
    for side in "ab":
        break_row(tmp_path / f"secret/persistent.{side}.db", "row 5")
    with contextlib.closing(Store.open(tmp_path / "secret", "persistent", boot_id=None)) as store:
        store.dismiss(store.damage()[0])
        assert store.damage() == []
    with contextlib.closing(Store.open(tmp_path / "secret", "persistent", boot_id=None)) as store:
        assert store.damage() == []


@pytest.mark.parametrize("harm", [delete, zero_length, garbage], ids=lambda harm: str(harm.__name__))
def test_the_loss_of_both_files_is_shown_and_the_store_starts_empty(specimens: Path, tmp_path: Path, harm: Harm) -> None:
    shutil.copytree(specimens / "new", tmp_path, dirs_exist_ok=True)
    for side in "ab":
        for suffix in ("db", "db-wal"):
            name = f"secret/persistent.{side}.{suffix}"
            harm(tmp_path / name, specimens / "old" / name, specimens / "other" / name)
    with contextlib.closing(Store.open(tmp_path / "secret", "persistent", boot_id=None)) as store:
        assert store.all("things") == {}
        (damage,) = store.damage()
        assert (damage.table, damage.key) == ("", "")
        assert "persistent.a.db" in damage.reason
        store.put("things", "row 1", ROWS["row 1"])
    with contextlib.closing(Store.open(tmp_path / "secret", "persistent", boot_id=None)) as store:
        assert store.all("things") == {"row 1": ROWS["row 1"]}
        assert store.damage() == [damage]


def test_what_both_files_of_a_boots_store_have_lost_is_shown_too(tmp_path: Path) -> None:
    with contextlib.closing(Store.open(tmp_path / "secret", "run", boot_id="boot-1")) as store:
        store.put("things", "row 1", ROWS["row 1"])
    for side in "ab":
        (tmp_path / f"secret/run.{side}.db").write_bytes(b"")
    for _ in range(2):
        with contextlib.closing(Store.open(tmp_path / "secret", "run", boot_id="boot-1")) as store:
            assert store.all("things") == {}
            assert ["both files of the store are lost" in damage.reason for damage in store.damage()] == [True]


def test_rows_of_a_boot_that_nobody_knows_are_named_and_not_used(tmp_path: Path) -> None:
    with contextlib.closing(Store.open(tmp_path / "secret", "run", boot_id="boot-1")) as store:
        store.put("things", "row 1", ROWS["row 1"])
    for side in "ab":
        with contextlib.closing(sqlite3.connect(tmp_path / f"secret/run.{side}.db")) as file:
            file.execute("DELETE FROM rows WHERE tbl = x''")
            file.commit()
    with contextlib.closing(Store.open(tmp_path / "secret", "run", boot_id="boot-1")) as store:
        assert store.all("things") == {}
        assert "things row 1" in [damage.subject for damage in store.damage()]
    with contextlib.closing(Store.open(tmp_path / "secret", "run", boot_id="boot-2")) as store:
        assert store.damage() == [], "the next boot misses nothing"


def test_bad_pages_in_both_files_cost_only_the_rows_on_them(specimens: Path, tmp_path: Path) -> None:
    shutil.copytree(specimens / "new", tmp_path, dirs_exist_ok=True)
    Store.open(tmp_path / "secret", "persistent", boot_id=None).close()  # folds the logs into the files
    for side, page in (("a", 4), ("b", 6)):
        with (tmp_path / f"secret/persistent.{side}.db").open("r+b") as file:
            file.seek(4096 * page)
            file.write(os.urandom(4096))
    with contextlib.closing(Store.open(tmp_path / "secret", "persistent", boot_id=None)) as store:
        rows = store.all("things")
        assert len(rows) >= len(ROWS) // 2
        assert all(rows[key] == ROWS[key] for key in rows)
        assert len(rows) == len(ROWS) or store.damage(), "what is missing is told"


@pytest.mark.parametrize("harm", [delete, garbage, truncate, old_version], ids=lambda harm: str(harm.__name__))
@pytest.mark.parametrize("suffix", ["a.db", "a.db-wal", "b.db", "b.db-wal"])
def test_damage_while_running_is_mended_by_the_next_commit(specimens: Path, tmp_path: Path, suffix: str, harm: Harm) -> None:
    shutil.copytree(specimens / "new", tmp_path, dirs_exist_ok=True)
    store = Store.open(tmp_path / "secret", "persistent", boot_id=None)
    told: list[tuple[str, bool]] = []
    store.watch(lambda name, trouble: told.append((name, bool(trouble))))
    store.put("things", "more", {"n": 1})
    name = f"secret/persistent.{suffix}"
    harm(tmp_path / name, specimens / "old" / name, specimens / "other" / name)
    store.put("things", "last", {"n": 2})
    shutil.copytree(tmp_path / "secret", tmp_path / "killed" / "secret")  # as if killed right now
    store.close()
    mirror = f"state file persistent.{suffix.removesuffix('-wal')}"
    assert told == [(mirror, True), (mirror, False)]
    for other in "ab":
        side = tmp_path / f"only-{other}" / "secret"
        shutil.copytree(tmp_path / "killed" / "secret", side)
        for path in side.glob(f"persistent.{'b' if other == 'a' else 'a'}.db*"):
            path.unlink()
        with contextlib.closing(Store.open(side, "persistent", boot_id=None)) as survivor:
            assert survivor.all("things") == {**ROWS, "more": {"n": 1}, "last": {"n": 2}}


def test_the_whole_folder_may_be_removed_while_running(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "secret", "persistent", boot_id=None)
    store.put("things", "one", {"n": 1})
    shutil.rmtree(tmp_path / "secret")
    store.put("things", "two", {"n": 2})
    store.close()
    with contextlib.closing(Store.open(tmp_path / "secret", "persistent", boot_id=None)) as again:
        assert again.all("things") == {"one": {"n": 1}, "two": {"n": 2}}
