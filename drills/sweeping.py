"""Clearing away what is left of a root when a drill was cut short: its processes, mounts and loop devices, no others."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Final

from tierhost.drills import leaks
from tierhost.drills.waiting import strike

if TYPE_CHECKING:
    from pathlib import Path

UMOUNT_LIMIT_S: Final = 10.0
ROUNDS_MAX: Final = 3
"""A host that is being killed may start one more worker: it is looked again until there is nobody."""


def sweep(folder: Path) -> None:
    """End every process that is about this folder, and unmount what is mounted below it. Idempotent."""
    for _ in range(ROUNDS_MAX):
        pids = leaks.processes(folder)
        if not pids:
            break
        for pid in pids:
            strike(pid)
    for place in sorted(leaks.mounts(folder), reverse=True):
        # Lazily: a file system that hangs must not hold up the clean-up. The loop device goes with its last user.
        subprocess.run(["umount", "--lazy", "--detach-loop", place], check=False, timeout=UMOUNT_LIMIT_S)
    for name in leaks.loops(folder):
        subprocess.run(["losetup", "--detach", f"/dev/{name}"], check=False, timeout=UMOUNT_LIMIT_S)
