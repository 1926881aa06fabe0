"""Who was not struck lives on: a judge that convicts a lost life, and excuses whom the plan names."""

from __future__ import annotations

from tests.unit.drills.one_run import drill, history, strike
from tierhost.drills.checkers import bystanders
from tierhost.drills.history import Look
from tierhost.drills.plan import Radius
from tierhost.drills.verdicts import Verdict


def look(label: str, at_s: float, **pids: int) -> Look:
    return Look(at_s, label, status={"drivers": [{"name": name, "pid": pid} for name, pid in pids.items()]})


BEFORE = look("before", 1.0, secret=10, storage=20)


def test_a_bystander_that_lost_its_life_is_named() -> None:
    seen = history(strikes=(strike(),), looks=(BEFORE, look("after", 9.0, secret=11, storage=21)))
    finding = bystanders.judge_drill(seen, drill())
    assert finding.verdict is Verdict.BROKEN
    assert finding.evidence == ("storage was pid 20, is pid 21",)
    assert bystanders.judge_drill(seen, drill(radius=Radius(("storage",)))).verdict is Verdict.HELD


def test_the_struck_may_die_and_others_live_on() -> None:
    seen = history(strikes=(strike(),), looks=(BEFORE, look("after", 9.0, secret=11, storage=20)))
    assert bystanders.judge_drill(seen, drill()).verdict is Verdict.HELD


def test_nobody_looked() -> None:
    assert bystanders.judge_drill(history(strikes=(strike(),)), drill()).verdict is Verdict.UNKNOWN
