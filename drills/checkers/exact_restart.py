"""Exact restart: what was acknowledged is there at the end, what was not is complete or absent, and nothing else changed.

Where a drill allows a loss (`may_lose` of its radius), what is lost must be told by whoever lost it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tierhost.drills.acknowledged import compare
from tierhost.drills.checkers import EVIDENCE_MAX
from tierhost.drills.losses import may_be_lost, told
from tierhost.drills.verdicts import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tierhost.drills.acknowledged import Comparison
    from tierhost.drills.effects import Fact
    from tierhost.drills.history import History, Look
    from tierhost.drills.plan import Drill

NAME: Final = "exact_restart"


def judge_drill(history: History, drill: Drill) -> Finding:
    """Compare the last look with every state that the calls can have left, but for what the drill allows to be lost."""
    return judge(history, drill.radius.may_lose)


def judge(history: History, may_lose: Iterable[str] = ()) -> Finding:
    """Compare the last look with every state that the calls can have left."""
    last = history.look("after")
    if last is None:
        return Finding(NAME, Verdict.UNKNOWN, "nobody looked at the objects afterwards")
    comparisons = compare(history, last)
    differs = [each for each in comparisons if each.seen and not each.holds]
    lost = [each for each in differs if may_be_lost(each, may_lose)]
    heard = _heard(lost, history, last)
    broken = [_line(each, lost) for each in differs if each.fact not in heard]
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
    acknowledged = sum(each.acknowledged and each.fact not in heard for each in comparisons)
    text = f"{seen - len(heard)} facts are as they were left, {acknowledged} of them by acknowledged calls"
    if not heard:
        return Finding(NAME, Verdict.HELD, text)
    lines = tuple(f"{each} lost, as allowed, and told: {heard[each.fact]}" for each in lost[:EVIDENCE_MAX])
    return Finding(NAME, Verdict.HELD, f"{text}, {len(heard)} are lost, all of them told", lines)


def _heard(lost: Iterable[Comparison], history: History, last: Look) -> dict[Fact, str]:
    words = {each.fact: told(each.fact, history, last) for each in lost}
    return {fact: word for fact, word in words.items() if word}


def _line(differs: Comparison, lost: Iterable[Comparison]) -> str:
    return f"{differs}, lost, and nobody was told" if differs in lost else str(differs)
