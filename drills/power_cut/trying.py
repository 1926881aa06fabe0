"""Put a subject through every power cut: record it, lay each disk out, start on it, judge, count."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.power_cut.crashes import crashes
from tierhost.drills.power_cut.judging import FAILED, Promises, judge
from tierhost.drills.power_cut.recording import lay_out, record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierhost.drills.power_cut.crashes import Crash
    from tierhost.drills.power_cut.disk import Disk
    from tierhost.drills.power_cut.judging import Allowed, Wrong
    from tierhost.drills.power_cut.recording import Recording
    from tierhost.drills.power_cut.subjects import Rows, Subject

SHOWN_MAX: Final = 20
"""So many wrong states are described; all are counted."""


@dataclass(frozen=True, slots=True)
class Found:
    """One disk on which a restart went wrong."""

    crash: Crash
    allowed: Allowed
    wrong: Wrong

    def told(self) -> dict[str, Any]:
        """In JSON's terms."""
        return {
            "cut": self.crash.cut,
            "kept": self.crash.kept,
            "step": self.allowed.step,
            "title": self.allowed.title,
            "lost": list(self.wrong.lost),
            "torn": list(self.wrong.torn),
        }


@dataclass(slots=True)
class Count:
    """`states` are pairs of a disk and of what had been acknowledged by then; `disks` are those that differ."""

    subject: str
    operations: int = 0
    cuts: int = 0
    steps: int = 0
    states: int = 0
    disks: int = 0
    lost: int = 0
    torn: int = 0
    found: list[Found] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        """In JSON's terms."""
        names = ("subject", "operations", "cuts", "steps", "states", "disks", "lost", "torn")
        return {name: getattr(self, name) for name in names} | {"found": [one.told() for one in self.found]}


class Bench:
    """One subject on one folder, which holds each disk in turn, under the path at which it was recorded."""

    def __init__(self, subject: Subject, place: Path) -> None:
        self._subject = subject
        self._folder = place / "disk"
        self._process: subprocess.Popen[str] | None = None

    def record(self) -> Recording:
        """Record the program that takes the subject through its steps."""
        self._folder.mkdir(mode=0o700)
        try:
            program = [sys.executable, "-m", "tierhost.drills.power_cut.work", self._subject.name, str(self._folder)]
            return record(program, self._folder)
        finally:
            shutil.rmtree(self._folder)

    def try_all(self, recording: Recording, *, seed: int = 1, every: int = 1) -> Count:
        """Start the subject on every disk that a cut may leave of a recording, and judge each."""
        promises = Promises.of(recording.operations)
        count = Count(self._subject.name, operations=len(recording.operations), steps=len(promises.titles))
        known: dict[str, Rows] = {}
        judged: set[tuple[str, int, int]] = set()
        for crash in crashes(recording.operations, recording.begin, seed, every):
            digest, allowed = crash.disk.digest(), promises.at(crash.cut)
            state = (digest, allowed.step, len(allowed.past))
            if state in judged:
                continue
            judged.add(state)
            if digest not in known:
                known[digest] = self.start(crash.disk)
            wrong = judge(known[digest], allowed)
            if wrong:
                count.lost += bool(wrong.lost)
                count.torn += bool(wrong.torn)
                count.found += [Found(crash, allowed, wrong)] if len(count.found) < SHOWN_MAX else []
        count.cuts = len(range(0, len(recording.operations) + 1, every))
        count.states, count.disks = len(judged), len(known)
        return count

    def start(self, disk: Disk) -> Rows:
        """Return what the subject shows after its restart on this disk."""
        lay_out(disk, self._folder)
        try:
            return self._ask()
        finally:
            shutil.rmtree(self._folder)

    def _ask(self) -> Rows:
        if self._process is None:
            argv = [sys.executable, "-m", "tierhost.drills.power_cut.restart", self._subject.name]
            self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{self._folder}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            self.close()
            return {FAILED: f"the restarted program ended with {code}"}
        rows: Rows = json.loads(line)
        return rows

    def close(self) -> None:
        """End the process in which the subject is started."""
        process, self._process = self._process, None
        if process is not None and process.stdin is not None and process.stdout is not None:
            process.stdin.close()
            process.stdout.close()
            process.wait()


@contextmanager
def bench(subject: Subject) -> Iterator[Bench]:
    """Give a place for one subject, in memory where that can be: what a sync does is modelled, and need not be waited for."""
    memory = Path("/dev/shm")  # noqa: S108  # a folder of our own is made there
    with tempfile.TemporaryDirectory(prefix="tierhost-cut-", dir=memory if memory.is_dir() else None) as place:
        made = Bench(subject, Path(place))
        try:
            yield made
        finally:
            made.close()
