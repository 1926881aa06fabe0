"""Bounded answers: late ones and those that never came convict."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.drills.histories import BEGAN_S, DRILL, call, history
from tierhost.drills.checkers.bounded import judge_drill
from tierhost.drills.history import UNKNOWN
from tierhost.drills.verdicts import Verdict

QUESTION = "secret.secret_list"


def test_answers_and_errors_within_the_deadline_and_its_grace_hold() -> None:
    late = replace(call(QUESTION, took_s=5.5), deadline_s=5.0, outcome=UNKNOWN, kind="DeadlineExceeded")
    assert judge_drill(history(calls=(call(QUESTION), late)), DRILL).verdict is Verdict.HELD


def test_a_call_that_comes_back_long_after_its_deadline_breaks_it() -> None:
    late = replace(call(QUESTION, took_s=7.0), deadline_s=5.0)
    finding = judge_drill(history(calls=(late,)), DRILL)
    assert finding.verdict is Verdict.BROKEN
    assert finding.evidence == ("+2.000 s: secret.secret_list, deadline 5 s: came back 2.000 s after it",)
    assert judge_drill(history(calls=(late,)), replace(DRILL, options={"grace_s": 3})).verdict is Verdict.HELD


def test_a_call_that_never_comes_back_breaks_it_unless_the_run_ended_first() -> None:
    hung = replace(call(QUESTION, took_s=None), deadline_s=5.0)
    assert judge_drill(history(calls=(hung,)), DRILL).verdict is Verdict.BROKEN
    cut = replace(history(calls=(hung,)), ended_s=BEGAN_S + 3)
    assert judge_drill(cut, DRILL).verdict is Verdict.UNKNOWN


def test_without_a_call_nothing_is_known() -> None:
    assert judge_drill(history(), DRILL).verdict is Verdict.UNKNOWN
