"""Processes that outlive their worker (guests, daemons): started apart, found again by pid and start time, ended for sure."""

from __future__ import annotations

import os
import resource
import select
import signal
import subprocess
import threading
import time
import weakref
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tierhost.ipc.errors import Code, DriverError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STATE_FIELD: Final = 0
START_TIME_FIELD: Final = 19
"""Fields of /proc/PID/stat, counted behind the name (which may hold anything)."""

ENVIRONMENT: Final = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
"""What such a program is told of ours: nothing."""

PRIVATE: Final = 0o077
KILL_LIMIT_S: Final = 5.0
CGROUP_PREFIX: Final = "guest-"
"""By this name the host leaves a cgroup alone when it clears away those of dead workers."""


class CannotStart(DriverError):
    """Raised when the program could not be started at all."""

    code = Code.OPERATION_FAILED


@dataclass(slots=True, weakref_slot=True)
class Detached:
    """One process by its identity: a pid alone may be another program's by tomorrow, with its start time it is not.

    Thread-safe. The pidfd is closed when nobody holds this object any more.
    """

    pid: int
    start_time: int
    pidfd: int
    how: str = ""
    """How it ended ("exit 1", "signal 9"), as far as the kernel tells us: only our own children leave a word."""

    _gone: bool = field(default=False, repr=False)
    _reaping: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        weakref.finalize(self, os.close, self.pidfd)

    def is_gone(self, timeout_s: float = 0.0) -> bool:
        """Whether it has ended, after waiting for that at most so long. A dead child of ours leaves no zombie."""
        if not self._gone:
            poller = select.poll()
            poller.register(self.pidfd, select.POLLIN)
            if poller.poll(timeout_s * 1000):
                with self._reaping:
                    self._reap()
                    self._gone = True
        return self._gone

    def _reap(self) -> None:
        try:
            found = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOHANG)
        except ChildProcessError:
            # Not our child (an earlier life of this driver started it), or it was reaped before.
            return
        if found is not None:
            self.how = f"{'exit' if found.si_code == os.CLD_EXITED else 'signal'} {found.si_status}"

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it still lives; never anybody else."""
        try:
            signal.pidfd_send_signal(self.pidfd, number)
        except ProcessLookupError:
            return

    def is_stopped(self) -> bool:
        """Whether somebody has stopped it (SIGSTOP): then it answers nobody."""
        fields = _stat(self.pid)
        return bool(fields) and not self.is_gone() and fields[STATE_FIELD] in {"T", "t"}

    def kill(self, deadline_s: float) -> bool:
        """SIGKILL, and wait for the end until `deadline_s` (CLOCK_MONOTONIC). False: the kernel holds it."""
        self.signal(signal.SIGKILL)
        return self.is_gone(max(0.0, deadline_s - time.monotonic()))


def start(argv: Sequence[str], *, log: Path, cgroup: Path | None = None, pass_fds: Sequence[int] = ()) -> Detached:
    """Start a program in a session and, where there is one, a cgroup of its own: nothing that ends the worker ends it.

    Its output goes to `log`, which is emptied; it leaves no core file, because its memory may hold keys. If we die in
    here, the program may or may not run: the caller wrote an intent before. Raises CannotStart.
    """
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=pass_fds,
            start_new_session=True,
            cwd="/",
            env=ENVIRONMENT,
            umask=PRIVATE,
        )
    except OSError as error:
        raise CannotStart(f"cannot run {argv[0]}: {error.strerror}") from None
    finally:
        os.close(output)
    started = Detached(process.pid, start_time(process.pid), os.pidfd_open(process.pid))
    # It is not subprocess's to wait for: the next life of this driver has no Popen object either.
    process.returncode = 0
    try:
        _set_apart(started, cgroup)
    except ProcessLookupError:
        # It has ended already: whoever waits for its first word will see that.
        return started
    except OSError as error:
        started.kill(time.monotonic() + KILL_LIMIT_S)
        raise CannotStart(f"{argv[0]} cannot be put into a cgroup of its own: {error}") from None
    return started


def _set_apart(started: Detached, cgroup: Path | None) -> None:
    with suppress(PermissionError):
        # Refused if it has become another user already (dnsmasq does): of such a process the kernel writes no core file anyway.
        resource.prlimit(started.pid, resource.RLIMIT_CORE, (0, 0))
    if cgroup is not None:
        cgroup.mkdir(exist_ok=True)
        (cgroup / "cgroup.procs").write_text(str(started.pid))


def find(pid: int, started: int) -> Detached | None:
    """Return the process if it is that very one, and alive."""
    try:
        pidfd = os.pidfd_open(pid)
    except (OSError, ValueError, OverflowError):
        return None
    found = Detached(pid, started, pidfd)
    # Read after the pidfd was opened: if they fit now, the pidfd is that process's for ever.
    fields = _stat(pid)
    if not fields or int(fields[START_TIME_FIELD]) != started or fields[STATE_FIELD] in {"Z", "X"}:
        return None
    return found


def command_lines() -> Iterator[tuple[int, list[str]]]:
    """Yield every process there is, with its arguments."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            args = arguments(int(name))
            if args:
                yield int(name), args


def arguments(pid: int) -> list[str]:
    """Return a process's arguments; none for kernel threads, and for the dead."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return [os.fsdecode(argument) for argument in raw.rstrip(b"\0").split(b"\0")] if raw else []


def start_time(pid: int) -> int:
    """Clock ticks since boot at which a process started; 0 if there is none."""
    fields = _stat(pid)
    return int(fields[START_TIME_FIELD]) if fields else 0


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def cgroup_for(name: str) -> Path | None:
    """Name the cgroup of one detached process, beside the worker's own; None where the host made none for its workers."""
    own = next((line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::")), "")
    fence = own.rpartition("/")[0].rpartition("/")[2]
    if not fence.startswith("tierhost-"):
        return None
    for mount in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        parent = Path(mount + own).parent
        if (parent / "cgroup.kill").exists() and os.access(parent / "cgroup.procs", os.W_OK):
            return parent / f"{CGROUP_PREFIX}{name}"
    return None


def remove_cgroup(cgroup: Path | None) -> None:
    """Remove the cgroup of a process that is gone; one that is still busy stays for the next time."""
    if cgroup is not None:
        try:
            cgroup.rmdir()
        except OSError:
            return
