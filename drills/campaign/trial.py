"""One trial, run as a process of its own on a leash: what a campaign gives to a thread here, or to a worker of a cluster."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.campaign.leash import EXIT_CUT, EXIT_OVERDUE, GONE_LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

OUTPUT_BYTES_MAX: Final = 1 << 20
COMPLAINT_CHARS_MAX: Final = 4000
GRACE_S: Final = 15.0 + GONE_LIMIT_S
"""A trial that overran is given so long to be cleared away."""

DONE: Final = "done"
OVERDUE: Final = "overdue"
CUT_SHORT: Final = "cut short"
OUTCOMES: Final = (DONE, OVERDUE, CUT_SHORT)

HELD: Final = "HELD"
BROKEN: Final = "BROKEN"
UNKNOWN: Final = "UNKNOWN"
EXIT_VERDICTS: Final = {0: HELD, 1: BROKEN, 3: UNKNOWN}


@dataclass(frozen=True, slots=True)
class Ended:
    """How one trial ended. `report` is what it printed, if that was JSON; `text` is what it complained about."""

    outcome: str
    verdict: str = UNKNOWN
    exit_code: int = -1
    seconds: float = 0.0
    where: str = ""
    report: str = ""
    text: str = ""


class Leashes:
    """The leashes that this process holds. `cut` lets go of all: every trial of ours ends now, and no other begins."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._held: set[int] = set()
        self._cut = False

    @contextmanager
    def hold(self) -> Iterator[int]:
        """Give the end of a leash that the trial gets; the other one is held until the block is left, or `cut`."""
        read_end, write_end = os.pipe()
        with self._lock:
            self._held.add(write_end)
        if self._cut:
            self.cut()
        try:
            yield read_end
        finally:
            os.close(read_end)
            with self._lock:
                if write_end in self._held:
                    self._held.remove(write_end)
                    os.close(write_end)

    def cut(self) -> None:
        """Let go of all of them."""
        self._cut = True
        with self._lock:
            for write_end in self._held:
                os.close(write_end)
            self._held.clear()


def run_trial(argv: Sequence[str], limit_s: float, leashes: Leashes | None = None) -> Ended:
    """Run one trial to its end. Whatever kills this process, or the machine's cluster worker around it, ends the trial too."""
    began_s = time.monotonic()
    where = f"{socket.gethostname()} {os.getpid()}"
    program = [sys.executable, "-m", "tierhost.drills.campaign.leash", str(limit_s), *argv]
    with (leashes or Leashes()).hold() as leash:
        process = subprocess.Popen(program, stdin=leash, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        try:
            output, complaint = process.communicate(timeout=limit_s + GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return Ended(OVERDUE, seconds=time.monotonic() - began_s, where=where, text="it could not be cleared away in time")
    seconds = time.monotonic() - began_s
    text = complaint.decode(errors="replace")[-COMPLAINT_CHARS_MAX:]
    return ended(process.returncode, output, text, seconds, where)


def ended(exit_code: int, output: bytes, text: str, seconds: float, where: str) -> Ended:
    """Say how a trial ended, from its exit code and what it printed."""
    outcome = {EXIT_OVERDUE: OVERDUE, EXIT_CUT: CUT_SHORT}.get(exit_code, CUT_SHORT if exit_code < 0 else DONE)
    report = output.decode(errors="replace") if len(output) <= OUTPUT_BYTES_MAX else ""
    told = _verdict_in(report)
    if told is None:
        report = ""
    verdict = (told or EXIT_VERDICTS.get(exit_code, UNKNOWN)) if outcome == DONE else UNKNOWN
    return Ended(outcome, verdict, exit_code, seconds, where, report, text)


def _verdict_in(report: str) -> str | None:
    """Return the verdict of a report in JSON; empty if it tells none; None if this is no such report."""
    try:
        found: Any = json.loads(report)
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    summary = found.get("summary")
    for place in (found, summary if isinstance(summary, dict) else {}):
        if place.get("verdict") in {HELD, BROKEN, UNKNOWN}:
            return str(place["verdict"])
    return ""
