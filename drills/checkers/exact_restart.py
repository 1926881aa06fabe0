"""Exact restart: what was acknowledged is there at the end, what was not is complete or absent, and nothing else changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tierhost.drills.acknowledged import compare
from tierhost.drills.checkers import EVIDENCE_MAX
from tierhost.drills.verdicts import Finding, Verdict

if TYPE_CHECKING:
    from tierhost.drills.history import History

NAME: Final = "exact_restart"


def judge(history: History) -> Finding:
    """Compare the last look with every state that the calls can have left."""
    last = history.look("after")
    if last is None:
        return Finding(NAME, Verdict.UNKNOWN, "nobody looked at the objects afterwards")
    comparisons = compare(history, last)
    broken = [str(each) for each in comparisons if each.seen and not each.holds]
    if broken:
        text = f"{len(broken)} of {len(comparisons)} facts are not as they were left"
        return Finding(NAME, Verdict.BROKEN, text, tuple(broken[:EVIDENCE_MAX]))
    unseen = [str(each) for each in comparisons if each.acknowledged and not each.seen and each.fact[0] not in last.objects]
    if unseen:
        text = f"{len(unseen)} acknowledged facts could not be asked for afterwards"
        return Finding(NAME, Verdict.UNKNOWN, text, tuple(unseen[:EVIDENCE_MAX]))
    seen = sum(each.seen for each in comparisons)
    if not seen:
        return Finding(NAME, Verdict.UNKNOWN, "nothing was there before, and no change was acknowledged")
    acknowledged = sum(each.acknowledged for each in comparisons)
    return Finding(NAME, Verdict.HELD, f"{seen} facts are as they were left, {acknowledged} of them by acknowledged calls")
