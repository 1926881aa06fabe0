"""A pid that is given to somebody else: everybody of a role is killed, and innocent processes get their numbers."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.faults import NotFired, PromiseBroken
from tierhost.drills.faults.signals import Kill

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.drills.targets import Target

NEXT_PID: Final = Path("/proc/sys/kernel/ns_last_pid")
"""Root may say which number the kernel gives to the next process (proc(5))."""

INNOCENT: Final = ("cat",)
"""It waits at a pipe whose other end we hold, and so ends with us, however that comes about."""

FREE_LIMIT_S: Final = 20.0
"""Orphans are zombies, and keep their number, until init gets round to them."""

TRIES_MAX: Final = 200
LOOK_AGAIN_S: Final = 0.01


class PidReuse(Kill):
    """SIGKILL; then each number belongs to a `cat` that has nothing to do with anything, until it is healed."""

    def __init__(self, target: Target, whom: str, options: Mapping[str, Any]) -> None:
        super().__init__(target, whom, options)
        self._innocent: list[subprocess.Popen[bytes]] = []

    def strike(self) -> str:
        """Kill them, and wait until others have their numbers. Raises NotFired where that cannot be brought about."""
        if not os.access(NEXT_PID, os.W_OK):
            raise NotFired("only root, on a kernel that has ns_last_pid, can give a number to somebody else", subject=self.whom)
        told = super().strike()
        deadline_s = time.monotonic() + FREE_LIMIT_S
        # A host that we started ourselves keeps its number until whoever holds its Popen has asked how it ended.
        for pid in [pid for pid in self._dead if not _is_child_of_ours(pid)]:
            self._innocent.append(_with_number(pid, deadline_s))
        return f"{told}; {len(self._innocent)} of their numbers belong to {INNOCENT[0]} now"

    def heal(self) -> None:
        """Start what is to be started while the numbers are still others'; then end those, which nobody else may have done."""
        super().heal()
        taken = self._taken_for_its_own() if self._innocent else ""
        struck = [process.pid for process in self._innocent if process.poll() is not None]
        for process in self._innocent:
            _end(process)
        self._innocent.clear()
        if taken:
            raise PromiseBroken(taken)
        if struck:
            raise PromiseBroken(f"somebody ended {INNOCENT[0]}, pids {struck}, which had nothing to do with anything")

    def _taken_for_its_own(self) -> str:
        """Say for whom the target takes an innocent process, as long as that has its number."""
        innocent = {process.pid for process in self._innocent if process.poll() is None}
        look = self.target.look("innocent")
        listed = [(f"guest {name}", row) for name, row in look.objects.get("guests", {}).items()]
        listed += [(f"driver {row['name']}", row) for row in look.status.get("drivers", ())]
        return ", ".join(f"pid {row['pid']} is taken for {who}" for who, row in listed if row.get("pid") in innocent)


def _is_child_of_ours(pid: int) -> bool:
    return pid in map(int, Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split())


def _with_number(pid: int, deadline_s: float) -> subprocess.Popen[bytes]:
    """Start an innocent process with this number. Somebody else may be quicker: then that one is waited for, or given up."""
    tries = 0
    while tries < TRIES_MAX and time.monotonic() < deadline_s:
        if Path(f"/proc/{pid}").exists():
            signal.sigtimedwait([], LOOK_AGAIN_S)
            continue
        tries += 1
        NEXT_PID.write_text(str(pid - 1))
        process = subprocess.Popen(
            INNOCENT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        if process.pid == pid:
            return process
        _end(process)
    raise NotFired(f"the number {pid} could not be had", subject=INNOCENT[0])


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


KINDS = {"pid-reuse": PidReuse}
