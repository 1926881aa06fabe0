"""The innocent process that gets a dead one's number does not outlive the drill tool."""

from __future__ import annotations

import os
import select
import subprocess
import sys

from tests.waiting import until

TOOL = """
import subprocess, sys
from tierhost.drills.faults.pid_reuse import INNOCENT
innocent = subprocess.Popen(INNOCENT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)
print(innocent.pid, flush=True)
sys.stdin.read()
"""


def test_an_innocent_process_ends_with_a_tool_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", TOOL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as tool:
        assert tool.stdout is not None
        pidfd = os.pidfd_open(int(tool.stdout.readline()))
        try:
            tool.kill()
            until(lambda: _has_ended(pidfd), "the innocent process ends, too")
        finally:
            os.close(pidfd)


def _has_ended(pidfd: int) -> bool:
    return bool(select.select([pidfd], [], [], 0)[0])
