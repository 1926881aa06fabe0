"""What had to be refused: an answer convicts, an error of the kind that was to come does not."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.drills.one_run import call, drill, history, strike
from tierhost.drills.checkers import fired, radius, refusals
from tierhost.drills.history import FAILED
from tierhost.drills.verdicts import Verdict

METHOD = "secret.secret_get_value"
GRANTED = call(1, METHOD, 5.1, refused="DriverError")
REFUSED = call(2, METHOD, 5.2, outcome=FAILED, kind="DriverError", refused="DriverError")


def test_an_answer_to_what_had_to_be_refused_convicts() -> None:
    assert refusals.judge(history(calls=(GRANTED, REFUSED))).verdict is Verdict.BROKEN
    assert refusals.judge(history(calls=(REFUSED,))).verdict is Verdict.HELD
    assert refusals.judge(history()).verdict is Verdict.UNKNOWN


def test_a_call_that_had_to_be_refused_and_only_died_shows_nothing() -> None:
    died = call(1, METHOD, 5.1, outcome=FAILED, kind="PeerDied", refused="DriverError")
    assert refusals.judge(history(calls=(died,))).verdict is Verdict.UNKNOWN


def test_a_refusal_that_was_to_come_lets_nobody_down() -> None:
    assert not REFUSED.has_failed
    assert radius.judge_drill(history(calls=(REFUSED,), strikes=(strike(),)), drill()).verdict is Verdict.HELD


def test_a_fault_after_which_the_promised_did_not_come_convicts() -> None:
    broken = replace(strike(), broken="pid 7 runs as a second host")
    assert fired.judge_drill(history(strikes=(broken,)), drill()).verdict is Verdict.BROKEN
