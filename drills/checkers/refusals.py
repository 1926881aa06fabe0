"""Refusals: what had to be refused was refused, each time, also by the next life."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tierhost.drills.checkers import EVIDENCE_MAX
from tierhost.drills.history import ANSWERED
from tierhost.drills.verdicts import Finding, Verdict

if TYPE_CHECKING:
    from tierhost.drills.history import History

NAME: Final = "refusals"


def judge(history: History) -> Finding:
    """Look at the calls that had to be refused. That one is cut off by a fault is for the judge of the radius."""
    meant = [call for call in history.calls if call.refused]
    if not history.calls:
        return Finding(NAME, Verdict.UNKNOWN, "no call was made")
    if not meant:
        return Finding(NAME, Verdict.HELD, "nothing was asked that had to be refused")
    granted = [
        f"{call.begin_s - history.began_s:+.3f} s: {call.method} was answered, expected {call.refused}"
        for call in meant
        if call.outcome == ANSWERED
    ]
    if granted:
        text = f"{len(granted)} of {len(meant)} calls were answered that had to be refused"
        return Finding(NAME, Verdict.BROKEN, text, tuple(granted[:EVIDENCE_MAX]))
    refused = sum(call.kind == call.refused for call in meant)
    if not refused:
        return Finding(NAME, Verdict.UNKNOWN, f"none of {len(meant)} calls that had to be refused got so far")
    return Finding(NAME, Verdict.HELD, f"{refused} of {len(meant)} calls that had to be refused were; none was answered")
