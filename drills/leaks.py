"""What is left of a root once its host is down: processes, mounts, loop devices, cgroups."""

from __future__ import annotations

import os
import select
import time
from pathlib import Path
from typing import Final

LETTING_GO_S: Final = 2.0
LOOK_AGAIN_S: Final = 0.01


def processes(folder: Path) -> list[int]:
    """Processes whose command line, working directory or open files are about this folder (ours excepted)."""
    numbers = (entry for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [int(entry.name) for entry in numbers if int(entry.name) != os.getpid() and _is_about(entry, str(folder))]


def _is_about(entry: Path, folder: str) -> bool:
    try:
        if folder.encode() in (entry / "cmdline").read_bytes():
            return True
        return any(str(fd.readlink()).startswith(folder + "/") for fd in (entry / "fd").iterdir())
    except OSError:
        return False


def mounts(folder: Path) -> list[str]:
    """Mount points below this folder."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line.split()[4] for line in lines if line.split()[4].startswith(f"{folder}/")]


def loops(folder: Path) -> list[str]:
    """Loop devices whose backing file lies below this folder."""
    found = []
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            if backing.read_text().startswith(f"{folder}/"):
                found.append(backing.parent.parent.name)
        except OSError:
            continue
    return found


def lasting_loops(folder: Path, limit_s: float = LETTING_GO_S) -> list[str]:
    """The same, once the kernel has had time: it lets go of a loop device a moment after what was mounted on it."""
    end_s = time.monotonic() + limit_s
    while len(loops(folder)) > len(mounts(folder)) and time.monotonic() < end_s:
        select.select([], [], [], LOOK_AGAIN_S)
    return loops(folder)


def wait_readable(pidfd: int, limit_s: float) -> bool:
    """Wait until a process, by its pidfd, has ended. Returns whether it has."""
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    return bool(poller.poll(limit_s * 1000))
