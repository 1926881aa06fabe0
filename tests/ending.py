"""Ending what runs on a root in tests, whatever state it is in: by the root's own records, and nobody else's processes."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from tests.waiting import until
from tierhost.host.shell import cgroups, procfs
from tierhost.host.shell.lives import Lives

if TYPE_CHECKING:
    from tierhost.ipc.paths import Root


def end_host(root: Root) -> None:
    """Kill the host of a root, and then everything it left."""
    if root.lock.exists():
        _kill(root.lock.read_text().strip(), str(root.run.parent))
    fence = cgroups.Fence.build(root.run)
    for life in Lives(root.lives).read()[0] if root.lives.exists() else []:
        if procfs.start_time(life.pid) == life.start_time:
            cgroups.kill_all(life.cgroup, life.pid)
    until(lambda: all(cgroups.remove(place) for place in fence.folders()), "every cgroup of the root is empty")
    fence.remove()


def _kill(pid: str, about: str) -> None:
    """Kill a host, if the pid in the lock is one of this root still."""
    try:
        pidfd = os.pidfd_open(int(pid))
    except (ProcessLookupError, ValueError):
        return
    try:
        if about in Path(f"/proc/{pid}/cmdline").read_text():
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError):
        return
    finally:
        os.close(pidfd)
