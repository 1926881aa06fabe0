"""How the host is made to die while it starts or ends: by the launcher at a line, or by strace at a system call."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from tierhost.drills.kill_points.lighting import ATTACH_LIMIT_S, CALLS, WORD_LIMIT_S, StraceLog, strace_program, wait_attached
from tierhost.drills.launcher.arming import COUNT, KILL, Order
from tierhost.drills.launcher.host_watch import HOST, STOP
from tierhost.drills.launcher.points import Point
from tierhost.ipc.errors import TierhostError

if TYPE_CHECKING:
    from tierhost.drills.kill_points.site import Site

LOOK_AGAIN_S: Final = 0.005


class HostLighting(Protocol):
    """Used around one start or end of the host: `light`, then what is to be cut off, then `fired` or `seen`."""

    def light(self, at: str, point: str) -> None:
        """Have the host die at this point of its start or end; without a point, count."""

    def fired(self) -> str:
        """Return the proof that it died there, or nothing."""

    def seen(self) -> list[Point]:
        """Return the points that were counted."""


class HostAtLines:
    """By the launcher."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def light(self, at: str, point: str) -> None:
        """Put an order on the sheet; the next process that starts or ends as host reads it."""
        self._site.news.drop()
        self._site.sheet.give(Order(KILL if point else COUNT, HOST, at, point))

    def fired(self) -> str:
        """Hear the last word of the host."""
        word = self._site.news.hear(WORD_LIMIT_S)
        self._site.sheet.clear()
        return f"pid {word['pid']} died at {word['point']}" if word and word["what"] == "fired" else ""

    def seen(self) -> list[Point]:
        """Hear which points there were."""
        word = self._site.news.hear(WORD_LIMIT_S)
        self._site.sheet.clear()
        return [Point(*point) for point in word["points"]] if word else []


class HostAtSystemCalls:
    """By strace, around the host from its first instruction on, and none of its children: as it would be around any daemon."""

    def __init__(self, site: Site) -> None:
        """Raises NoStrace."""
        self._program = strace_program()
        self._site = site
        self._log = StraceLog(site.folder / "strace-host.log")
        self._strace: subprocess.Popen[bytes] | None = None

    def light(self, at: str, point: str) -> None:
        """Start the next host under strace, or have it attach to the one that is about to end."""
        self._log.path.unlink(missing_ok=True)
        call, _, number = point.partition(" #")
        options = [f"--trace={call}", f"--inject={call}:signal=KILL:when={number}"] if point else [f"--trace={','.join(CALLS)}"]
        argv = (self._program, "--daemonize", "--interruptible=anywhere", f"--output={self._log.path}", *options)
        if at == STOP:
            assert self._site.process is not None  # it is about to end
            attach = [self._program, f"--output={self._log.path}", *options, f"--attach={self._site.process.pid}"]
            self._strace = subprocess.Popen(attach, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
            wait_attached(self._strace, 1)
        else:
            self._site.prefix = argv

    def fired(self) -> str:
        """See in strace's log whether it was killed."""
        self._detach()
        return self._log.killed()

    def seen(self) -> list[Point]:
        """Read them from strace's log."""
        self._detach()
        # The first is how strace becomes the host.
        return [point for point in self._log.points() if point.name != "execve #1"]

    def _detach(self) -> None:
        self._site.prefix = ()
        process = self._site.process
        end_s = time.monotonic() + ATTACH_LIMIT_S
        while process is not None and (tracer := _tracer_of(process.pid)):
            with suppress(ProcessLookupError):
                os.kill(tracer, signal.SIGINT)
            if time.monotonic() > end_s:
                raise TierhostError("strace does not let go of the host", subject=str(self._site.folder))
            select.select([], [], [], LOOK_AGAIN_S)
        strace, self._strace = self._strace, None
        if strace is not None:
            strace.wait(WORD_LIMIT_S)
            assert strace.stderr is not None  # it was opened as a pipe
            strace.stderr.close()


def _tracer_of(pid: int) -> int:
    """Who traces a process; 0: nobody, or it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("TracerPid")))
