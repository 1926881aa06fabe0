"""Whoever kills the drill tool while a fault is in effect leaves nothing behind: the leash heals from what was written down."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.waiting import until
from tierhost.drills import leaks
from tierhost.drills.faults import undoing
from tierhost.drills.faults.memory import fence_of
from tierhost.drills.faults.resources import Descriptors, open_numbers

if TYPE_CHECKING:
    from tests.integration.drills.faults.conftest import Site

DRILL = """\
title = "a worker is given no more memory, for long"
proves = "the leash undoes it"

[[faults]]
kind = "memory"
target = "storage"
at = "t+0s"
options = { how = "cgroup", extra_bytes = 1073741824, press = false, patience_s = 60.0 }
"""


def fences() -> set[Path]:
    """The cgroups of ours that are there; they stand beside our own."""
    mine = fence_of(os.getpid(), "none")
    if mine is None or not mine.home:
        pytest.skip("no cgroup in which memory is limited can be made here")
    home = Path(mine.home)
    return {home / name for name in os.listdir(home) if name.startswith("tierhost-drill-")}


@pytest.mark.slow
@pytest.mark.root
def test_a_drill_that_is_killed_in_the_midst_of_a_fault_leaves_no_cgroup_and_no_process(tmp_path: Path) -> None:
    plan = tmp_path / "long.toml"
    plan.write_text(DRILL)
    known = fences()
    argv = [sys.executable, "-m", "tierhost.drills", "run", str(plan)]
    environment = {**os.environ, "TMPDIR": "/tmp"}
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment) as drill:
        try:
            [fence] = until(lambda: fences() - known, "the fence is up", 60.0)
            [pid] = until(lambda: (fence / "cgroup.procs").read_text().split(), "the worker is in it")
            [place] = [Path(*Path(word).parts[:3]) for word in _files_of(int(pid)) if word.startswith("/tmp/tierhost-drill-")][:1]
            drill.send_signal(signal.SIGKILL)
        finally:
            drill.kill()
    until(lambda: not fences() - known, "the fence is taken down", 60.0)
    until(lambda: not place.exists(), "the folder is gone")
    assert leaks.processes(place) == []


def _files_of(pid: int) -> list[str]:
    found = []
    for fd in open_numbers(pid):
        try:
            found.append(str(Path(f"/proc/{pid}/fd/{fd}").readlink()))
        except OSError:
            continue
    return found


def test_what_is_written_down_is_undone_once_and_taken_back(shared: Site) -> None:
    fault = Descriptors(shared, "echo", {})
    path = undoing.keep(shared.folder, "1", fault.leash())
    fault.strike()
    assert undoing.commands(shared.folder) == [[sys.executable, "-m", undoing.MODULE, str(path)]]
    for argv in undoing.commands(shared.folder):
        subprocess.run(argv, check=True, timeout=60)
    assert undoing.commands(shared.folder) == []
    assert shared.call("echo.echo", "hello") == "hello"
