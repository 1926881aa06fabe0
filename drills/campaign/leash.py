"""The program around one trial: it ends everything of the trial when the trial ends, overruns, or nobody holds the leash.

The leash is standard input. Whoever started us keeps the other end open; however he dies, it is closed, and we see that.
"""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tierhost.drills.sweeping import sweep

if TYPE_CHECKING:
    from collections.abc import Sequence

LEASH: Final = 0
EXIT_OVERDUE: Final = 124
EXIT_CUT: Final = 125
EXIT_CANNOT: Final = 126
SIGNALLED: Final = 128
PR_SET_CHILD_SUBREAPER: Final = 36
GONE_LIMIT_S: Final = 10.0
ROUNDS_S: Final = 0.02


def main(limit_s: float, argv: Sequence[str]) -> int:
    """Run one trial in a folder of its own; return its exit code, or EXIT_OVERDUE, EXIT_CUT, EXIT_CANNOT."""
    # What a trial leaves behind becomes our child, whatever session it is in: so we know all of it, and nobody else's.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    folder = Path(tempfile.mkdtemp(prefix="tht", dir="/tmp"))  # sockets need a short path
    try:
        environment = os.environ | {"TMPDIR": str(folder)}
        trial = subprocess.Popen(argv, stdin=subprocess.DEVNULL, env=environment, start_new_session=True)
    except OSError as error:
        print(f"{argv[0]}: {error.strerror}", file=sys.stderr)
        folder.rmdir()
        return EXIT_CANNOT
    try:
        return _wait(trial, limit_s)
    finally:
        _end_descendants()
        sweep(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(trial: subprocess.Popen[bytes], limit_s: float) -> int:
    pidfd = os.pidfd_open(trial.pid)
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    poller.register(LEASH, select.POLLIN | select.POLLHUP)
    try:
        ready = {fd for fd, _ in poller.poll(limit_s * 1000)}
    finally:
        os.close(pidfd)
    code = trial.poll()
    if code is not None:
        return code if code >= 0 else SIGNALLED - code
    return EXIT_CUT if LEASH in ready else EXIT_OVERDUE


def _end_descendants() -> None:
    """Kill until there is nobody: who is killed leaves us his children, and one that was just born is found in the next round."""
    end_s = time.monotonic() + GONE_LIMIT_S
    while time.monotonic() < end_s:
        children = _children()
        if not children:
            return
        for pid in children:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        _bury(end_s)


def _children() -> list[int]:
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def _bury(end_s: float) -> None:
    """Wait for one child that ended, and then for as many as are there."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    signal.sigtimedwait({signal.SIGCHLD}, min(ROUNDS_S, max(0.0, end_s - time.monotonic())))
    while True:
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG)
        except ChildProcessError:
            return
        if found is None:
            return


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2:]))
