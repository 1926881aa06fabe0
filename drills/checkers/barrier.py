"""Barrier: nothing starts or initializes in a tier before every required driver below is ready or skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tierhost.drills.checkers import EVIDENCE_MAX
from tierhost.drills.replaying import NoEvidence, host_lives, judged
from tierhost.drills.verdicts import Finding, Verdict
from tierhost.host.core import commands

if TYPE_CHECKING:
    from tierhost.drills.history import History

NAME: Final = "barrier"
PROMISES: Final = ("barrier", "together")


def judge(history: History) -> Finding:
    """Replay the journal. A journal in which nothing starts is no evidence."""
    try:
        lives = host_lives(history)
        broken = judged(history, PROMISES)
    except NoEvidence as error:
        return Finding(NAME, Verdict.UNKNOWN, error.text)
    starts = sum(isinstance(order, commands.StartWorker) for life in lives for order in life.orders())
    if broken:
        text = f"{len(broken)} orders were given before their time"
        return Finding(NAME, Verdict.BROKEN, text, tuple(broken[:EVIDENCE_MAX]))
    if not starts:
        return Finding(NAME, Verdict.UNKNOWN, "no worker was started while the journal was kept")
    return Finding(NAME, Verdict.HELD, f"{starts} starts by {len(lives)} hosts, none before its tier was open")
