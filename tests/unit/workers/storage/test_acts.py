"""Lock files tell whether an act of a dead life still runs."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tierhost.workers.runtime.commands import CommandOverdue
from tierhost.workers.runtime.contract import Code
from tierhost.workers.storage.acts import Acts, ActUnderWay

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def acts(tmp_path: Path) -> Acts:
    return Acts(tmp_path / "acts")


def files(tmp_path: Path) -> int:
    return len(os.listdir(tmp_path / "acts"))


def test_an_act_leaves_no_lock_file_behind_however_it_ends(tmp_path: Path, acts: Acts) -> None:
    with acts.hold("pool a", 0.0):
        assert files(tmp_path) == 1
    with pytest.raises(ZeroDivisionError), acts.hold("pool a", 0.0):
        raise ZeroDivisionError
    with pytest.raises(CommandOverdue), acts.hold("pool a", 0.0):
        raise CommandOverdue("mkfs", 1.0, 1, stuck=False)
    assert files(tmp_path) == 0


def test_objects_do_not_wait_for_each_other(acts: Acts) -> None:
    with acts.hold("pool a", 0.0), acts.hold("pool b", 0.0):
        pass


def test_a_program_that_still_runs_keeps_its_object_and_no_other(tmp_path: Path, acts: Acts) -> None:
    program = begun_and_stuck(acts)
    next_life = Acts(tmp_path / "acts")
    next_life.sweep()
    with pytest.raises(ActUnderWay, match="still runs") as refused, next_life.hold("pool a", 0.01):
        pass
    assert (refused.value.code, refused.value.subject) == (Code.RESOURCE_BUSY, "pool a")
    with next_life.hold("pool b", 0.0):
        pass
    program.kill()
    program.wait(10)
    with next_life.hold("pool a", 5.0):
        pass
    assert files(tmp_path) == 0


def begun_and_stuck(acts: Acts) -> subprocess.Popen[bytes]:
    """Begin an act whose program outlives its kill, as one that hangs inside the kernel does."""
    with suppress(CommandOverdue), acts.hold("pool a", 0.0) as fd:
        program = subprocess.Popen(["sleep", "600"], pass_fds=[fd])
        raise CommandOverdue("mount", 1.0, program.pid, stuck=True)
    return program


def test_what_an_earlier_life_left_is_swept(tmp_path: Path, acts: Acts) -> None:
    (tmp_path / "acts" / "0123.lock").touch()
    (tmp_path / "acts" / "other").touch()
    acts.sweep()
    assert os.listdir(tmp_path / "acts") == ["other"]
