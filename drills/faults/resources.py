"""Descriptors and processor time: a process may open no more of the one, and must share the other with greedy neighbours."""

from __future__ import annotations

import os
import resource
import secrets
import select
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.faults import NotFired
from tierhost.drills.faults.bodies import Body, Leashed, body_of, check_known, number
from tierhost.host.shell import procfs

if TYPE_CHECKING:
    from collections.abc import Mapping

TRIES_MAX: Final = 20
HOGS_MAX: Final = 64
SHOWN_WITHIN_S: Final = 10.0
GONE_WITHIN_S: Final = 5.0
TICKS_SHOWN: Final = 2
"""A hog has eaten when it has had so many clock ticks (of 10 ms)."""

HOG: Final = """\
import select
while not select.select([0], [], [], 0)[0]:
    for _ in range(100_000):
        pass
"""
"""Eats its core until its standard input ends: with the drill, however that ends. Its last argument is a token of our own."""


class Descriptors(Leashed):
    """It may open `left` more descriptors, then no more (EMFILE): its own limit is lowered from outside."""

    kind = "descriptors"

    def __init__(self, target: Any, whom: str, options: Mapping[str, Any]) -> None:
        super().__init__(target, whom, options)
        check_known(self.kind, options, {"left"})
        self.left = int(number(self.kind, options, "left", 0, 0, 1 << 20))

    def prepare(self) -> dict[str, Any]:
        """Find the victim, and the limit it has."""
        body = body_of(self.target, self.whom)
        soft, hard = resource.prlimit(body.pid, resource.RLIMIT_NOFILE)
        return {"pid": body.pid, "start": body.start, "soft": soft, "hard": hard}

    def act(self, arguments: Mapping[str, Any]) -> str:
        """Set the limit to the first number that is free (and `left` more), and see that it is so."""
        pid = arguments["pid"]
        for _ in range(TRIES_MAX):
            try:
                limit = lowest_free(open_numbers(pid), self.left)
                resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, arguments["hard"]))
                free = [n for n in range(limit) if n not in open_numbers(pid)]
            except OSError as error:
                raise NotFired(f"its limit cannot be set: {error}", subject=self.whom) from None
            if len(free) <= self.left:
                return f"pid {pid} may use descriptors below {limit}, and {limit - len(free)} of them are open"
        reason = f"it opens and closes descriptors faster than they can be counted ({TRIES_MAX} tries)"
        raise NotFired(reason, subject=self.whom)

    @staticmethod
    def undo(**arguments: Any) -> None:
        """Give it back the limit it had."""
        if Body(arguments["pid"], arguments["start"]).is_alive:
            with suppress(ProcessLookupError):
                resource.prlimit(arguments["pid"], resource.RLIMIT_NOFILE, (arguments["soft"], arguments["hard"]))


def open_numbers(pid: int) -> set[int]:
    """The descriptors that a process has open now."""
    return {int(name) for name in os.listdir(f"/proc/{pid}/fd")}


def lowest_free(taken: set[int], left: int) -> int:
    """The limit under which exactly `left` numbers are free."""
    free, candidate = 0, 0
    while True:
        if candidate not in taken:
            if free == left:
                return candidate
            free += 1
        candidate += 1


class Processor(Leashed):
    """Greedy processes share one core with it; it may run on that core only. `hogs`: how many of them."""

    kind = "processor"

    def __init__(self, target: Any, whom: str, options: Mapping[str, Any]) -> None:
        super().__init__(target, whom, options)
        check_known(self.kind, options, {"hogs"})
        self.hogs = int(number(self.kind, options, "hogs", 8, 1, HOGS_MAX))
        self._started: list[subprocess.Popen[bytes]] = []

    def prepare(self) -> dict[str, Any]:
        """Find the victim, and where it may run."""
        body = body_of(self.target, self.whom)
        cores = sorted(os.sched_getaffinity(body.pid))
        return {"pid": body.pid, "start": body.start, "cores": cores, "token": f"tierhost-drill-hog-{secrets.token_hex(8)}"}

    def act(self, arguments: Mapping[str, Any]) -> str:
        """Pin it, start the hogs beside it, and wait until each has eaten."""
        core = arguments["cores"][-1]
        if not pin(arguments["pid"], [core]):
            raise NotFired("it is gone", subject=self.whom)
        for _ in range(self.hogs):
            hog = subprocess.Popen(
                [sys.executable, "-S", "-E", "-c", HOG, arguments["token"]], stdin=subprocess.PIPE, start_new_session=True
            )
            self._started.append(hog)
            os.sched_setaffinity(hog.pid, [core])
        end_s = time.monotonic() + SHOWN_WITHIN_S
        while any(ticks_of(hog.pid) < TICKS_SHOWN for hog in self._started):
            if time.monotonic() > end_s:
                raise NotFired(f"the hogs do not get to run on core {core}", subject=self.whom)
            select.select([], [], [], 0.02)
        eaten = sum(ticks_of(hog.pid) for hog in self._started) * 10
        return f"{self.hogs} hogs share core {core} with pid {arguments['pid']}, and have eaten {eaten} ms of it"

    def heal(self) -> None:
        """End the hogs, and let it run where it may."""
        super().heal()
        for hog in self._started:
            if hog.stdin is not None:
                hog.stdin.close()
            hog.wait(GONE_WITHIN_S)
        self._started.clear()

    @staticmethod
    def undo(**arguments: Any) -> None:
        """End whoever bears our token; let the victim run everywhere again."""
        for hog in bearers(arguments["token"]):
            hog.end(GONE_WITHIN_S)
        if Body(arguments["pid"], arguments["start"]).is_alive:
            pin(arguments["pid"], arguments["cores"])


def pin(pid: int, cores: list[int]) -> bool:
    """Let every thread of a process run on these cores only. False: it is gone."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return False
    for thread in threads:
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread), cores)
    return True


def ticks_of(pid: int) -> int:
    """Processor time that a process has used, in clock ticks; 0 if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


def bearers(token: str) -> list[Body]:
    """Each process with this token, which nobody else can have, as its last argument."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            last = (entry / "cmdline").read_bytes().rstrip(b"\0").rpartition(b"\0")[2]
        except OSError:
            continue
        start = procfs.start_time(int(entry.name)) if last == token.encode() else None
        if start is not None:
            found.append(Body(int(entry.name), start))
    return found


KINDS: Final[dict[str, type[Leashed]]] = {Descriptors.kind: Descriptors, Processor.kind: Processor}
