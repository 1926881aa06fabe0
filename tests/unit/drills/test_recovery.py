"""How long a driver was away, from calls and strikes alone."""

from __future__ import annotations

from tests.unit.drills.histories import call, history, strike
from tierhost.drills.history import FAILED
from tierhost.drills.recovery import recovery_times


def test_recovery_is_the_first_answer_to_a_question_asked_after_the_strike() -> None:
    calls = (
        call("storage.storage_pool_list", at_s=0.99, took_s=0.5),
        call("storage.storage_pool_list", at_s=1.01, took_s=0.04, outcome=FAILED),
        call("storage.storage_pool_list", at_s=1.02, took_s=0.03),
        call("secret.secret_list", at_s=1.0, took_s=0.001),
    )
    took_s, never = recovery_times(history(calls=calls, strikes=(strike(),)))
    assert [round(each, 3) for each in took_s] == [0.05]
    assert never == 0


def test_who_never_answers_again_is_counted_and_who_was_not_asked_is_not() -> None:
    silent = (call("storage.storage_pool_list", at_s=2.0, took_s=None),)
    assert recovery_times(history(calls=silent, strikes=(strike(),))) == ([], 1)
    assert recovery_times(history(strikes=(strike(), strike(at_s=None, number=2)))) == ([], 0)


def test_the_host_is_back_when_anybody_answers() -> None:
    calls = (call("secret.secret_list", at_s=1.2, took_s=0.1),)
    took_s, _ = recovery_times(history(calls=calls, strikes=(strike(target="host"),)))
    assert [round(each, 3) for each in took_s] == [0.3]
