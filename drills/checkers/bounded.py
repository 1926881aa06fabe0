"""Bounded answers: every call comes back, by its deadline and a grace, whatever was broken meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tierhost.drills.checkers import EVIDENCE_MAX
from tierhost.drills.verdicts import Finding, Verdict

if TYPE_CHECKING:
    from tierhost.drills.history import History
    from tierhost.drills.plan import Drill

NAME: Final = "bounded"
GRACE_S: Final = 1.0
"""How much later than its deadline a caller may get its answer: it must be scheduled, on a machine under test."""


def judge_drill(history: History, drill: Drill) -> Finding:
    """Look at every call. The option `grace_s` of a drill is another grace."""
    grace_s = float(drill.options.get("grace_s", GRACE_S))
    late, cut_short, longest_s = [], [], 0.0
    for call in history.calls:
        over_s = (history.ended_s if call.end_s is None else call.end_s) - call.begin_s - call.deadline_s
        longest_s = max(longest_s, over_s + call.deadline_s)
        line = f"{call.begin_s - history.began_s:+.3f} s: {call.method}, deadline {call.deadline_s:g} s"
        if over_s > grace_s:
            late.append(f"{line}: " + ("never came back" if call.end_s is None else f"came back {over_s:.3f} s after it"))
        elif call.end_s is None:
            cut_short.append(f"{line}: had not come back when the run ended")
    if late:
        return Finding(NAME, Verdict.BROKEN, f"{len(late)} calls came back too late, or not at all", tuple(late[:EVIDENCE_MAX]))
    if cut_short:
        text = f"{len(cut_short)} calls were under way when the run ended"
        return Finding(NAME, Verdict.UNKNOWN, text, tuple(cut_short[:EVIDENCE_MAX]))
    if not history.calls:
        return Finding(NAME, Verdict.UNKNOWN, "no call was made")
    text = f"{len(history.calls)} calls came back, the slowest after {longest_s:.3f} s, none {grace_s:g} s after its deadline"
    return Finding(NAME, Verdict.HELD, text)
