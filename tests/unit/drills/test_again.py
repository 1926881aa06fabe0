"""Replaying and shrinking: what counts as the same failure, and when the search ends."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.unit.drills.one_run import drill, history
from tierhost.drills.again import Shrinking, Tally, broken_in, fails_as
from tierhost.drills.stored import Stored
from tierhost.drills.verdicts import Finding, Verdict

if TYPE_CHECKING:
    from tierhost.drills.plan import Drill

CAUSE = drill(faults=8).faults[5]


def run(plan: Drill) -> Stored:
    """Fails as "steady" with the one cause, and otherwise as "radius", which is another matter."""
    checker = "steady" if CAUSE in plan.faults else "radius"
    return Stored(plan, history(), (Finding(checker, Verdict.BROKEN, "lost"),))


def search(plan: Drill, deadline_s: float = math.inf) -> Shrinking:
    return Shrinking(plan, frozenset({"steady"}), run, 1, deadline_s, lambda _text: None)


def test_a_schedule_shrinks_to_its_cause() -> None:
    plan = drill(faults=8)
    shrinking = search(plan)
    assert shrinking.smallest() == replace(plan, faults=(CAUSE,))
    assert shrinking.last[0].drill.faults == (CAUSE,)
    assert shrinking.runs <= 12


def test_when_the_time_is_over_the_smallest_until_then_is_returned() -> None:
    shrinking = search(drill(faults=8), deadline_s=0.0)
    assert shrinking.smallest() == drill(faults=8)
    assert shrinking.cut_short
    assert shrinking.runs == 0


def test_only_what_the_same_judge_breaks_is_the_same_failure() -> None:
    failed = run(drill(faults=8))
    assert broken_in(failed) == {"steady"}
    assert fails_as(failed, frozenset({"steady"}))
    assert not fails_as(run(drill(faults=1)), frozenset({"steady"}))


def test_a_tally_counts_failures_and_what_nobody_knows() -> None:
    tally = Tally(20, Counter({Verdict.BROKEN: 18, Verdict.UNKNOWN: 1, Verdict.HELD: 1}))
    assert tally.text == "fails 18 of 20, nobody knows of 1"
    assert tally.verdict is Verdict.BROKEN
    assert Tally(2, Counter({Verdict.HELD: 2})).text == "fails 0 of 2"
