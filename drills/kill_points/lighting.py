"""How a worker is made to die in a call, and how that is proved: by the launcher at a line, or by strace at a system call."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from tierhost.drills.exercises import found
from tierhost.drills.launcher.arming import COUNT, KILL, Order
from tierhost.drills.launcher.points import Point
from tierhost.ipc.errors import DriverError, TierhostError

if TYPE_CHECKING:
    from pathlib import Path

    from tierhost.drills.kill_points.operation import Operation
    from tierhost.drills.kill_points.site import Site

WORD_LIMIT_S: Final = 5.0
ATTACH_LIMIT_S: Final = 10.0
CALLS: Final = (
    *("write", "pwrite64", "writev", "pwritev", "fsync", "fdatasync", "sync_file_range", "ftruncate", "truncate", "fallocate"),
    *("rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "unlink", "unlinkat", "rmdir"),
    *("mkdir", "mkdirat", "chmod", "fchmod", "fchmodat", "chown", "fchown", "mount", "umount2", "flock"),
    *("connect", "bind", "sendto", "sendmsg", "execve", "clone", "clone3", "vfork", "kill", "pidfd_send_signal", "prlimit64"),
)
"""System calls after which the world is not as before."""

LINE: Final = re.compile(r"^(?:(\d+)\s+)?(\w+)\(")
NOBODY: Final = {"tag": "nobody", "uuid": "00000000-0000-0000-0000-000000000000", "folder": "/nowhere"}


class NoStrace(TierhostError):
    """Raised where system calls cannot be watched."""


class Lighting(Protocol):
    """Used by trials around each call: `watch`, the call, `seen`; or `light`, the call, `fired`. `off` ends all."""

    counts_twice: bool
    """Whether only what two calls have in common counts: how many writes SQLite makes depends on what it did before."""

    def watch(self, operation: Operation) -> None:
        """Count the points of the next call."""

    def seen(self) -> list[Point]:
        """Return them."""

    def light(self, operation: Operation, point: str) -> None:
        """Have the worker die at this point of the next call."""

    def fired(self) -> str:
        """Return the proof that it did; nothing if it did not."""

    def off(self) -> None:
        """Take back what is in force."""


class AtLines:
    """By the launcher, which watches the process from within."""

    counts_twice = False

    def __init__(self, site: Site) -> None:
        self._site = site

    def watch(self, operation: Operation) -> None:
        """Count lines."""
        self._site.news.drop()
        self._site.sheet.give(Order(COUNT, operation.driver, operation.at))

    def seen(self) -> list[Point]:
        """Hear which there were."""
        word = self._site.news.hear(WORD_LIMIT_S)
        return [Point(*point) for point in word["points"]] if word else []

    def light(self, operation: Operation, point: str) -> None:
        """Kill at a line."""
        self._site.news.drop()
        self._site.sheet.give(Order(KILL, operation.driver, operation.at, point))

    def fired(self) -> str:
        """Hear the last word of who died."""
        word = self._site.news.hear(WORD_LIMIT_S)
        return f"pid {word['pid']} died at {word['point']}" if word and word["what"] == "fired" else ""

    def off(self) -> None:
        """Clear the sheet."""
        self._site.sheet.clear()


@dataclass(frozen=True, slots=True)
class StraceLog:
    """What strace has written."""

    path: Path

    def points(self) -> list[Point]:
        """The calls of each kind, as many as any one thread made."""
        of_thread = Counter(match.groups() for line in self._lines() if (match := LINE.match(line)))
        most: Counter[str] = Counter()
        for (_, call), count in of_thread.items():
            most[call] = max(most[call], count)
        return [Point(f"{call} #{number}", changed=True) for call, count in most.items() for number in range(1, count + 1)]

    def killed(self) -> str:
        """The proof that somebody was killed, or nothing."""
        killed = [line for line in self._lines() if "killed by SIGKILL" in line]
        return f"strace: {killed[0].strip()}" if killed else ""

    def _lines(self) -> list[str]:
        return self.path.read_text(errors="replace").splitlines() if self.path.exists() else []


def strace_program() -> str:
    """Where strace is. Raises NoStrace."""
    program = shutil.which("strace")
    if program is None:
        raise NoStrace("strace is not installed", hint="install the package strace")
    return program


def wait_attached(strace: subprocess.Popen[bytes], threads: int) -> None:
    """Wait until strace says of so many threads that it watches them. Raises NoStrace."""
    assert strace.stderr is not None  # it was opened as a pipe
    end_s, said = time.monotonic() + ATTACH_LIMIT_S, b""
    while said.count(b" attached") < threads:
        heard, _, _ = select.select([strace.stderr], [], [], max(0.0, end_s - time.monotonic()))
        word = os.read(strace.stderr.fileno(), 4096) if heard else b""
        said += word
        if not word:
            raise NoStrace(f"strace does not attach: {said.decode()!r}", hint="may this user trace other processes?")


class AtSystemCalls:
    """By strace, from outside: works on any process. A point is "fsync #3", the third fsync of any one thread.

    The process dies as it enters the call: nothing of it is done.
    """

    counts_twice = True

    def __init__(self, site: Site) -> None:
        """Raises NoStrace."""
        self._program = strace_program()
        self._site = site
        self._log = StraceLog(site.folder / "strace.log")
        self._strace: subprocess.Popen[bytes] | None = None

    def watch(self, operation: Operation) -> None:
        """Count system calls."""
        self._attach(operation, f"--trace={','.join(CALLS)}")

    def seen(self) -> list[Point]:
        """Read them from strace's log."""
        self.off()
        return self._log.points()

    def light(self, operation: Operation, point: str) -> None:
        """Kill at a system call."""
        call, _, number = point.partition(" #")
        self._attach(operation, f"--trace={call}", f"--inject={call}:signal=KILL:when={number}")

    def fired(self) -> str:
        """See in strace's log who was killed."""
        if self._strace is not None:
            try:
                self._strace.wait(WORD_LIMIT_S)
            except subprocess.TimeoutExpired:
                self.off()
        return self._log.killed()

    def off(self) -> None:
        """Detach."""
        strace, self._strace = self._strace, None
        if strace is not None:
            if strace.poll() is None:
                strace.send_signal(signal.SIGINT)
            strace.wait(WORD_LIMIT_S)
            assert strace.stderr is not None  # it was opened as a pipe
            strace.stderr.close()

    def _attach(self, operation: Operation, *options: str) -> None:
        # To clear away what there is not changes nothing, and leaves a thread waiting for the next call: only threads that are
        # there can be watched.
        mine = found()[operation.driver]
        call = [*mine.view, *mine.clear][-1]
        with suppress(DriverError):
            self._site.client.call(f"{mine.driver}.{call.method}", *call.fill(NOBODY))
        pid = self._site.lives()[operation.driver]["pid"]
        threads = os.listdir(f"/proc/{pid}/task")
        self._log.path.unlink(missing_ok=True)
        which = [f"--attach={thread}" for thread in threads]
        argv = [self._program, f"--output={self._log.path}", *options, *which]
        self._strace = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        wait_attached(self._strace, len(threads))
