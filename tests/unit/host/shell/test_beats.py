"""How old a beat is, and what counts as none."""

from __future__ import annotations

import math
import mmap
import struct
from typing import TYPE_CHECKING

import pytest

from tierhost.host.shell.beats import SLOT_BYTES, Beats
from tierhost.ipc.limits import DRIVERS_MAX

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "beats"


@pytest.fixture
def beats(path: Path) -> Iterator[Beats]:
    made = Beats(path)
    yield made
    made.close()


def beat(path: Path, slot: int, value: float) -> None:
    """Write a beat as a worker does."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as table:
        struct.pack_into("d", table, slot * SLOT_BYTES, value)


def test_a_beat_is_as_old_as_the_worker_s_last_turn(beats: Beats, path: Path) -> None:
    beat(path, 3, 100.0)
    assert beats.age_s(3, 100.5) == 0.5


def test_a_new_life_is_not_judged_by_the_beat_of_the_last_one(beats: Beats, path: Path) -> None:
    beat(path, 3, 1.0)
    beats.start(3, 100.0)
    assert beats.age_s(3, 100.0) == 0.0


def test_slots_do_not_touch_each_other(beats: Beats) -> None:
    for slot in (0, 1, DRIVERS_MAX - 1):
        beats.start(slot, 100.0 + slot)
    assert [beats.age_s(slot, 1000.0) for slot in (0, 1, DRIVERS_MAX - 1)] == [900.0, 899.0, 900.0 - (DRIVERS_MAX - 1)]


@pytest.mark.parametrize(
    ("value", "age_s"),
    [
        (100.2, 0.0),
        (0.0, 100.0),
        (-5.0, 100.0),
        (1e300, 100.0),
        (102.0, 100.0),
        (math.nan, 100.0),
        (math.inf, 100.0),
        (-math.inf, 100.0),
    ],
)
def test_a_beat_that_no_clock_gives_counts_as_none_and_one_just_read_as_fresh(
    value: float, age_s: float, beats: Beats, path: Path
) -> None:
    beat(path, 0, value)
    assert beats.age_s(0, 100.0) == age_s


def test_the_next_host_finds_the_beats_of_the_workers_that_live_on(beats: Beats, path: Path) -> None:
    beat(path, 3, 100.0)
    following = Beats(path)
    assert following.age_s(3, 101.0) == 1.0
    following.close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_table_that_was_cut_off_is_made_whole(path: Path) -> None:
    path.write_bytes(b"\0" * 5)
    beats = Beats(path)
    beats.start(DRIVERS_MAX - 1, 7.0)
    beats.close()
    assert path.stat().st_size == DRIVERS_MAX * SLOT_BYTES
