"""Isolation: errors, blocked calls and slow ones at drivers that were not struck convict; at those that were they do not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.drills.histories import DRILL, call, history, strike
from tierhost.drills.checkers.isolation import judge_drill
from tierhost.drills.history import FAILED, UNKNOWN, Call
from tierhost.drills.plan import Radius
from tierhost.drills.verdicts import Verdict

LIST = {"secret": "secret.secret_list", "storage": "storage.storage_pool_list", "qemu": "qemu.domain_list"}


def stream(driver: str, count: int, *, at_s: float = 1.0, took_s: float = 0.002) -> tuple[Call, ...]:
    return tuple(call(LIST[driver], at_s=at_s + 0.01 * number, took_s=took_s, load=True) for number in range(count))


def test_others_that_answer_as_in_the_control_run_hold() -> None:
    run = history(calls=stream("secret", 100), control=stream("secret", 100), strikes=(strike(),))
    finding = judge_drill(run, DRILL)
    assert finding.verdict is Verdict.HELD
    assert finding.text.endswith("no error, p99 2.0 ms in 100, of the control 2.0 ms in 100")


def test_one_error_at_a_driver_that_was_not_struck_breaks_it() -> None:
    bad = replace(call(LIST["qemu"], at_s=1.5, load=True), outcome=FAILED, kind="PeerDied", text="died")
    finding = judge_drill(history(calls=(*stream("secret", 9), bad), strikes=(strike(),)), DRILL)
    assert finding.verdict is Verdict.BROKEN
    assert finding.evidence == ("+1.500 s: qemu.domain_list failed: PeerDied died",)


@pytest.mark.parametrize("target", ["storage", "everything"])
def test_the_same_error_at_the_driver_that_was_struck_does_not(target: str) -> None:
    bad = replace(call(LIST["storage"], at_s=1.5), outcome=UNKNOWN, kind="OutcomeUnknown")
    assert (
        judge_drill(history(calls=(*stream("secret", 9), bad), strikes=(strike(target=target),)), DRILL).verdict is Verdict.HELD
    )


def test_what_the_plan_allows_is_excused_near_the_strike_and_not_for_ever() -> None:
    bad = replace(call(LIST["qemu"], at_s=1.5, load=True), outcome=FAILED, kind="PeerDied")
    late = replace(bad, begin_s=bad.begin_s + 8, end_s=bad.begin_s + 8.01)
    drill = replace(DRILL, radius=Radius(drivers=("qemu",), for_s=3.0))
    for each, verdict in ((bad, Verdict.HELD), (late, Verdict.BROKEN)):
        assert judge_drill(history(calls=(*stream("secret", 9), each), strikes=(strike(),)), drill).verdict is verdict


def test_a_refusal_of_a_wrong_question_is_no_harm_but_one_in_the_load_is() -> None:
    for load, verdict in ((False, Verdict.HELD), (True, Verdict.BROKEN)):
        refused = replace(call(LIST["qemu"], at_s=1.5, load=load), outcome=FAILED, kind="DriverError")
        assert judge_drill(history(calls=(*stream("secret", 9), refused), strikes=(strike(),)), DRILL).verdict is verdict


def test_a_slow_tail_breaks_it_and_noise_does_not() -> None:
    control = stream("secret", 100)
    for slow, verdict in ((8, Verdict.BROKEN), (0, Verdict.HELD)):
        calls = (*stream("secret", 100 - slow), *stream("secret", slow, at_s=3.0, took_s=0.3))
        assert judge_drill(history(calls=calls, control=control, strikes=(strike(),)), DRILL).verdict is verdict


def test_one_call_that_was_blocked_breaks_it_although_p99_is_fine() -> None:
    calls = (*stream("secret", 400), *stream("secret", 1, at_s=6.0, took_s=2.5))
    finding = judge_drill(history(calls=calls, control=stream("secret", 100), strikes=(strike(),)), DRILL)
    assert finding.verdict is Verdict.BROKEN
    assert "blocked" in finding.evidence[0]


def test_without_a_strike_or_a_call_to_somebody_else_nothing_is_known() -> None:
    assert judge_drill(history(calls=stream("secret", 9)), DRILL).verdict is Verdict.UNKNOWN
    assert judge_drill(history(calls=stream("secret", 9), strikes=(strike(at_s=None),)), DRILL).verdict is Verdict.UNKNOWN
    assert judge_drill(history(calls=stream("storage", 9), strikes=(strike(),)), DRILL).verdict is Verdict.UNKNOWN
    assert judge_drill(history(strikes=(strike(target="everything"),)), DRILL).verdict is Verdict.HELD
