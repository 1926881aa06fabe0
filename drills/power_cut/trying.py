"""Put a subject through every power cut: record it, lay each disk out, start on it, judge, count."""

from __future__ import annotations

import json
import random
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
from tierhost.drills.power_cut.twice import Sample, second_cuts
from tierhost.drills.sweeping import sweep

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
    """`states` are pairs of a disk and of what had been acknowledged by then; `disks` are those that differ.

    `recoveries`: so many restarts were cut in their turn, which left `again` states more.
    """

    subject: str
    operations: int = 0
    cuts: int = 0
    steps: int = 0
    states: int = 0
    disks: int = 0
    recoveries: int = 0
    again: int = 0
    lost: int = 0
    torn: int = 0
    found: list[Found] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        """In JSON's terms."""
        names = ("subject", "operations", "cuts", "steps", "states", "disks", "recoveries", "again", "lost", "torn")
        return {name: getattr(self, name) for name in names} | {"found": [one.told() for one in self.found]}

    def take(self, crash: Crash, allowed: Allowed, rows: Rows) -> None:
        """Judge what a restart showed."""
        wrong = judge(rows, allowed)
        if wrong:
            self.lost += bool(wrong.lost)
            self.torn += bool(wrong.torn)
            self.found += [Found(crash, allowed, wrong)] if len(self.found) < SHOWN_MAX else []


class Bench:
    """One subject on one folder, which holds each disk in turn, under the path at which it was recorded."""

    def __init__(self, subject: Subject, place: Path) -> None:
        self._subject = subject
        self._folder = place / "disk"
        self._process: subprocess.Popen[str] | None = None

    def record(self, steps: int | None = None) -> Recording:
        """Record the program that takes the subject through its steps, or the first so many."""
        self._folder.mkdir(mode=0o700)
        try:
            program = [sys.executable, "-m", "tierhost.drills.power_cut.work", self._subject.name, str(self._folder)]
            return record(program if steps is None else [*program, str(steps)], self._folder)
        finally:
            sweep(self._folder)  # a guest that its program left behind
            shutil.rmtree(self._folder)

    def try_all(self, recording: Recording, *, seed: int = 1, every: int = 1, again: int = 0) -> Count:
        """Start the subject on every disk that a cut may leave of a recording, and judge each.

        With `again`, so many of these starts are cut in their turn.
        """
        promises = Promises.of(recording.operations)
        count = Count(self._subject.name, operations=len(recording.operations), steps=len(promises.titles))
        known: dict[str, Rows] = {}
        judged: set[tuple[str, int, int]] = set()
        chosen = Sample(again, random.Random(seed))  # noqa: S311  # a schedule that must repeat, no secret
        for crash in crashes(recording.operations, recording.begin, seed, every):
            digest, allowed = crash.disk.digest(), promises.at(crash.cut)
            state = (digest, allowed.step, len(allowed.past))
            if state in judged:
                continue
            judged.add(state)
            if digest not in known:
                known[digest] = self.start(crash.disk)
            count.take(crash, allowed, known[digest])
            chosen.offer(crash, allowed)
        count.cuts = len(range(0, len(recording.operations) + 1, every))
        count.states, count.disks = len(judged), len(known)
        for crash, allowed in chosen.kept:
            self._cut_again(crash, allowed, count, seed)
        return count

    def _cut_again(self, first: Crash, allowed: Allowed, count: Count, seed: int) -> None:
        known: dict[str, Rows] = {}
        judged: set[tuple[str, str]] = set()
        count.recoveries += 1
        for crash, allowed_now in second_cuts(first, allowed, self.record_recovery(first.disk), seed):
            digest = crash.disk.digest()
            if (digest, allowed_now.title) in judged:
                continue
            judged.add((digest, allowed_now.title))
            if digest not in known:
                known[digest] = self.start(crash.disk, cuts=2)
            count.take(crash, allowed_now, known[digest])
        count.again += len(judged)

    def record_recovery(self, disk: Disk) -> Recording:
        """Record one start of the subject on this disk."""
        lay_out(disk, self._folder)
        try:
            program = [sys.executable, "-m", "tierhost.drills.power_cut.recovering", self._subject.name, str(self._folder)]
            return record(program, self._folder)
        finally:
            sweep(self._folder)
            shutil.rmtree(self._folder)

    def start(self, disk: Disk, cuts: int = 1) -> Rows:
        """Return what the subject shows after its restart on this disk, the first start after so many cuts."""
        lay_out(disk, self._folder)
        try:
            return self._ask(cuts)
        finally:
            shutil.rmtree(self._folder)

    def _ask(self, cuts: int) -> Rows:
        if self._process is None:
            argv = [sys.executable, "-m", "tierhost.drills.power_cut.restart", self._subject.name]
            self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{cuts} {self._folder}\n")
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
