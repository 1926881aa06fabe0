"""What a log says of itself, and what a store makes of logs that are broken in the middle: one is mended, two are told."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tierhost.workers.runtime import wal
from tierhost.workers.runtime.store import Store

if TYPE_CHECKING:
    from pathlib import Path

COMMITS = 6


def died(folder: Path) -> Path:
    """A store whose life was killed after some commits: its logs are as it left them."""
    # A store knows its folder's name, so the copy has the same.
    alive, dead = folder / "alive" / "site", folder / "dead" / "site"
    alive.mkdir(parents=True)
    store = Store.open(alive, "run", boot_id=None)
    for number in range(COMMITS):
        store.put("secrets", f"k{number}", {"value": "x" * 2000})
    shutil.copytree(alive, dead)
    store.close()
    return dead


def flip(path: Path, share: float) -> None:
    """Flip a bit at this share of a file's length."""
    with path.open("r+b") as file:
        at = int(os.fstat(file.fileno()).st_size * share)
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0x10]))


def names(store: Store) -> list[str]:
    return sorted(store.all("secrets"))


ALL = [f"k{number}" for number in range(COMMITS)]


def test_the_last_commit_of_a_sound_log_is_the_one_that_the_store_has(tmp_path: Path) -> None:
    dead = died(tmp_path)
    said = [wal.last_generation(str(dead / f"run.{letter}.db-wal")) for letter in "ab"]
    assert said[0] == said[1] >= COMMITS
    store = Store.open(dead, "run", boot_id=None)
    assert (names(store), store.repaired, store.damage()) == (ALL, [], [])
    store.close()


def test_without_a_log_nothing_is_said(tmp_path: Path) -> None:
    assert wal.last_generation(str(tmp_path / "none")) == 0
    (tmp_path / "empty").touch()
    assert wal.last_generation(str(tmp_path / "empty")) == 0


@pytest.mark.parametrize("letter", ["a", "b"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.7, 0.99])
def test_one_log_that_is_broken_anywhere_costs_nothing(share: float, letter: str, tmp_path: Path) -> None:
    dead = died(tmp_path)
    flip(dead / f"run.{letter}.db-wal", share)
    store = Store.open(dead, "run", boot_id=None)
    assert names(store) == ALL
    assert store.damage() == []
    store.close()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.7])
def test_both_logs_broken_at_one_place_lose_what_came_after_and_say_so(share: float, tmp_path: Path) -> None:
    dead = died(tmp_path)
    for letter in "ab":
        flip(dead / f"run.{letter}.db-wal", share)
    store = Store.open(dead, "run", boot_id=None)
    assert names(store) != ALL
    assert [damage.reason for damage in store.damage() if "logs are broken" in damage.reason]
    assert names(store) == ALL[: len(names(store))]
    store.put("secrets", "new", {"value": "y"})
    store.close()
    again = Store.open(dead, "run", boot_id=None)
    assert "new" in names(again)
    again.close()


def test_a_log_whose_last_bytes_are_not_there_is_what_a_kill_leaves(tmp_path: Path) -> None:
    dead = died(tmp_path)
    path = dead / "run.b.db-wal"
    os.truncate(path, path.stat().st_size - 100)
    store = Store.open(dead, "run", boot_id=None)
    assert (names(store), store.damage()) == (ALL, [])
    store.close()
