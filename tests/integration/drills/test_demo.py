"""The demonstration: what it promises in its table, and what it leaves when it is cut short."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tierhost.drills import leaks
from tierhost.drills.example_site import ability
from tierhost.drills.sweeping import sweep

if TYPE_CHECKING:
    from collections.abc import Iterator

DEMO = (sys.executable, "-m", "tierhost.host", "demo")
LIMIT_S = 60.0


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where its directories go; pytest's own paths are too long for sockets."""
    made = Path(tempfile.mkdtemp(prefix="thd", dir="/tmp"))
    try:
        yield made
    finally:
        sweep(made)
        shutil.rmtree(made, ignore_errors=True)


@pytest.mark.slow
def test_everything_is_killed_and_nothing_is_lost(folder: Path) -> None:
    done = subprocess.run(DEMO, capture_output=True, text=True, timeout=LIMIT_S, env=_environment(folder), check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for killed in ("secret worker", "storage worker", "host", "everything at once"):
        assert f"\n{killed} " in done.stdout
    assert ("\nnetwork worker " in done.stdout) == ability(apart=os.geteuid() == 0).networks
    assert "0\ndone in " in done.stdout
    assert list(folder.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_cut_short_it_leaves_nothing(folder: Path, number: signal.Signals) -> None:
    with subprocess.Popen(DEMO, stdout=subprocess.PIPE, text=True, env=_environment(folder)) as demo:
        assert demo.stdout is not None
        try:
            assert any("killed in turn" in line for line in demo.stdout), "the site is up"
            demo.send_signal(number)
            demo.communicate(timeout=LIMIT_S)
            assert demo.returncode == 128 + number
        finally:
            demo.kill()
    assert list(folder.iterdir()) == []
    assert (leaks.processes(folder), leaks.mounts(folder), leaks.loops(folder)) == ([], [], [])


def _environment(folder: Path) -> dict[str, str]:
    """Its directories go where this test sees them; a short path, for sockets."""
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR": str(folder)}
