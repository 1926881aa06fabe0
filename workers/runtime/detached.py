"""Processes that outlive their worker (guests, daemons): started apart, found again by pid and start time, ended for sure."""

from __future__ import annotations

import hashlib
import os
import select
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tierhost.ipc.errors import Code, DriverError

if TYPE_CHECKING:
    from collections.abc import Sequence

STATE_FIELD = 0
START_TIME_FIELD = 19


class CannotStart(DriverError):
    """Raised when the program could not be started at all."""

    code = Code.OPERATION_FAILED


@dataclass(frozen=True, slots=True)
class Detached:
    """One process by its identity: a pid alone may be another program's by tomorrow, with its start time it is not."""

    pid: int
    start_time: int
    pidfd: int

    def is_gone(self, timeout_s: float = 0.0) -> bool:
        """Whether it has ended, after waiting for that at most so long."""
        gone = bool(select.select([self.pidfd], [], [], timeout_s)[0])
        if gone:
            self._reap()
        return gone

    def kill(self, deadline_s: float) -> bool:
        """SIGKILL, and wait for the end until `deadline_s` (CLOCK_MONOTONIC). False: the kernel holds it."""
        try:
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        except ProcessLookupError:
            return True
        return self.is_gone(max(0.0, deadline_s - time.monotonic()))

    def _reap(self) -> None:
        try:
            os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOHANG)
        except ChildProcessError:
            return

    def close(self) -> None:
        os.close(self.pidfd)


def start(argv: Sequence[str], *, log: Path, cgroup: Path | None, pass_fds: Sequence[int] = ()) -> Detached:
    """Start a program in a session and, where possible, a cgroup of its own, so that nothing that ends the worker ends it.

    Its output goes to `log`. If we die in here, the program may or may not run: the caller wrote an intent before.
    Raises CannotStart.
    """
    with log.open("ab") as output:
        try:
            process = subprocess.Popen(
                _entering(cgroup, argv), stdin=subprocess.DEVNULL, stdout=output, stderr=output, pass_fds=pass_fds, start_new_session=True
            )
        except OSError as error:
            reason = f"cannot run {argv[0]}: {error.strerror}"
            raise CannotStart(reason) from None
    pidfd = os.pidfd_open(process.pid)
    # It is not subprocess's to wait for: the next life of this driver has no Popen object either.
    process.returncode = 0
    return Detached(process.pid, start_time(process.pid) or 0, pidfd)


def _entering(cgroup: Path | None, argv: Sequence[str]) -> list[str]:
    """Let the program enter its cgroup before it runs: forked in the worker's, it would die with the worker."""
    if cgroup is None:
        return list(argv)
    cgroup.mkdir(exist_ok=True)
    return ["/bin/sh", "-c", 'echo $$ > "$0/cgroup.procs"; exec "$@"', str(cgroup), *argv]


def find(pid: int, started: int) -> Detached | None:
    """Return the process if it is that very one, and alive."""
    try:
        pidfd = os.pidfd_open(pid)
    except (ProcessLookupError, ValueError):
        return None
    fields = _stat(pid)
    if not fields or int(fields[START_TIME_FIELD]) != started or fields[STATE_FIELD] in {"Z", "X"}:
        os.close(pidfd)
        return None
    return Detached(pid, started, pidfd)


def find_by_argument(argument: str) -> list[Detached]:
    """Find processes that were started with exactly this argument (a path that only we use)."""
    wanted = argument.encode()
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if wanted in arguments:
            process = find(int(pid), start_time(int(pid)) or 0)
            if process is not None:
                found.append(process)
    return found


def start_time(pid: int) -> int | None:
    """Clock ticks since boot at which a process started."""
    fields = _stat(pid)
    return int(fields[START_TIME_FIELD]) if fields else None


def is_stopped(pid: int) -> bool:
    """Whether somebody has stopped it (SIGSTOP): then it answers nobody."""
    fields = _stat(pid)
    return bool(fields) and fields[STATE_FIELD] in {"T", "t"}


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def cgroup_for(run_dir: Path, name: str) -> Path | None:
    """Name the cgroup of one detached process, beside the worker's own; None where cgroups are not ours to make."""
    own = next((line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::")), "")
    for mount in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
        parent = Path(mount + own).parent
        if own.strip("/").count("/") and (parent / "cgroup.kill").exists() and os.access(parent / "cgroup.procs", os.W_OK):
            return parent / f"guest-{hashlib.blake2b(os.fsencode(run_dir / name), digest_size=6).hexdigest()}"
    return None


def remove_cgroup(cgroup: Path | None) -> None:
    """Remove the cgroup of a process that is gone."""
    if cgroup is not None:
        try:
            cgroup.rmdir()
        except OSError:
            return
