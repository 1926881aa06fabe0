"""A beat is where the host looks for it."""

from __future__ import annotations

import signal
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

from tierhost.workers.runtime.pulse import Pulse

if TYPE_CHECKING:
    from pathlib import Path


def test_a_beat_is_written_into_the_slot_of_this_worker_only(tmp_path: Path) -> None:
    table = tmp_path / "beats"
    table.write_bytes(bytes(8 * 4))
    pulse = Pulse(table, 2, patience_s=5.0)
    pulse.beat(12.5)
    pulse.beat(13.0)
    assert struct.unpack("4d", table.read_bytes()) == (0.0, 0.0, 13.0, 0.0)


SPIN = """
import sys, time
from pathlib import Path
from tierhost.workers.runtime.pulse import Pulse

def spins_for_ever():
    while True:
        pass

pulse = Pulse(Path(sys.argv[1]), 0, patience_s=0.05)
pulse.guard(time.monotonic())
spins_for_ever()
"""


def test_a_loop_that_is_silent_for_too_long_leaves_its_traceback_and_ends(tmp_path: Path) -> None:
    table = tmp_path / "beats"
    table.write_bytes(bytes(8))
    ended = subprocess.run([sys.executable, "-c", SPIN, str(table)], capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == -signal.SIGALRM
    assert "spins_for_ever" in ended.stderr
