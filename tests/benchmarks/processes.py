"""Every process a benchmark starts, directly or not, descends from this one: so all of them can be found and ended."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PR_SET_CHILD_SUBREAPER = 36
PATIENCE_S = 30.0


class TookTooLong(RuntimeError):
    """Raised when the outside world did not do in time what a benchmark waits for; says what."""


def sheltered(work: Callable[[int], int]) -> int:
    """Run `work` in a child, below a parent that adopts and reaps every orphan; end what is left, return its exit code.

    `work` is given the parent's pid: everybody a benchmark has to end is below it. Orphans must be reaped at once, as a
    real pid 1 does: libvirtd waits in vain for the death of a zombie. If `work` is killed, all of its own die with it.
    """
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    shelter = os.getpid()
    child = os.fork()
    if child == 0:
        os._exit(work(shelter))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    while True:
        pid, status = os.wait()
        if pid == child:
            break
    end_all_below(shelter)
    return os.waitstatus_to_exitcode(status)


def until(condition: Callable[[], Any], what: str, *, patience_s: float = PATIENCE_S, period_s: float = 0.001) -> Any:
    """Return the condition's first true value. Raises TookTooLong."""
    deadline_s = time.monotonic() + patience_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline_s:
            message = f"not within {patience_s} s: {what}"
            raise TookTooLong(message)
        time.sleep(period_s)


@dataclass(frozen=True, slots=True)
class Body:
    """A process, held by a pidfd: its number cannot be given to another one under our hands."""

    pid: int
    fd: int

    @classmethod
    def of(cls, pid: int) -> Body:
        """Take hold of a process. Raises ProcessLookupError if it is gone."""
        return cls(pid, os.pidfd_open(pid))

    def send(self, number: signal.Signals) -> None:
        """Signal it, if it still is there."""
        try:
            signal.pidfd_send_signal(self.fd, number)
        except ProcessLookupError:
            return

    def wait_gone(self, patience_s: float = PATIENCE_S) -> None:
        """Wait for the kernel's word that it is gone. Raises TookTooLong."""
        if not select.select([self.fd], [], [], patience_s)[0]:
            message = f"process {self.pid} is not gone within {patience_s} s"
            raise TookTooLong(message)

    def kill(self) -> None:
        """Send SIGKILL and wait until it is gone."""
        self.send(signal.SIGKILL)
        self.wait_gone()

    def close(self) -> None:
        """Let go of it."""
        os.close(self.fd)


@contextmanager
def held(pid: int) -> Iterator[Body]:
    """Hold a process for a while."""
    body = Body.of(pid)
    try:
        yield body
    finally:
        body.close()


def children(pid: int) -> list[int]:
    """List the children of all threads of a process."""
    found: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    except OSError:
        return found
    return found


def descendants(pid: int) -> list[int]:
    """List everybody below a process, parents first: one that starts others again dies before they do."""
    found = children(pid)
    for child in found:
        found += children(child)
    return found


def end_all_below(shelter: int) -> int:
    """Kill everything below the shelter but this process itself; returns how many there were. Raises TookTooLong."""
    ended = 0
    deadline_s = time.monotonic() + PATIENCE_S
    while mine := [pid for pid in descendants(shelter) if pid != os.getpid()]:
        if time.monotonic() > deadline_s:
            message = f"processes that cannot be ended: {mine}"
            raise TookTooLong(message)
        ended += sum(map(_end, mine))
    return ended


def _end(pid: int) -> bool:
    try:
        with held(pid) as body:
            body.kill()
    except ProcessLookupError:
        return False
    # Whoever is its parent reaps it; of ours that is us.
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return True


def pss_bytes(pid: int) -> int:
    """What a process costs: its own pages, and its share of those it has in common with others."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    message = f"no Pss in /proc/{pid}/smaps_rollup"
    raise ValueError(message)
