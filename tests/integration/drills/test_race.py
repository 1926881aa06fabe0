"""The race of 2014, a trial of each: with storage as late as can be, flat loading has guests wait, and tiers do not."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tierhost.drills import leaks
from tierhost.drills.race import FLAT, OURS, TIERS, Course
from tierhost.drills.sweeping import sweep

if TYPE_CHECKING:
    from collections.abc import Iterator

LATE_S = 0.5


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short, for sockets."""
    made = Path(tempfile.mkdtemp(prefix="thr", dir="/tmp"))
    try:
        yield made
    finally:
        sweep(made)
        shutil.rmtree(made)


@pytest.mark.slow
@pytest.mark.qemu
@pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="install the package qemu-system-x86")
def test_flat_loading_fails_to_start_guests_and_tiers_do_not(folder: Path) -> None:
    lost = {}
    for mode in (FLAT, TIERS):
        course = Course(folder / mode, mode, OURS)
        course.prepare()
        trial = course.trial(1, LATE_S)
        lost[mode] = (len(trial.not_started), len(trial.never_started), len(trial.killed))
        assert leaks.processes(course.folder) == []
    assert lost[FLAT][0] > 0, "storage was late, and nothing waited for it"
    assert lost[FLAT][1:] == (0, 0), "but our drivers try again, and end no guest"
    assert lost[TIERS] == (0, 0, 0)
