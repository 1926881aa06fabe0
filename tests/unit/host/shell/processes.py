"""Real processes for tests of what the kernel says of them: each leads a session of its own, and is gone at the end."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def sleeping(script: str = "echo ready; read end") -> Iterator[subprocess.Popen[bytes]]:
    """Run a shell script that says "ready" and waits for a line; its whole session is killed at the end."""
    process = subprocess.Popen(
        ["sh", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        env=os.environ | {"LC_ALL": "C"},
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process
    finally:
        if process.returncode is None:
            # Not waited for yet, so its pid and its group are nobody else's.
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def wait_until_dead(process: subprocess.Popen[bytes]) -> None:
    """Wait for the death, and leave the zombie."""
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


def wait_until_stopped(process: subprocess.Popen[bytes]) -> None:
    """Wait until a SIGSTOP has arrived."""
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
