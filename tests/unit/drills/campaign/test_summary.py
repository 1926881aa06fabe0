"""What a campaign came to: everything is counted, nothing is taken for success."""

from __future__ import annotations

import pytest

from tierhost.drills.campaign.plan import Campaign
from tierhost.drills.campaign.results import Row
from tierhost.drills.campaign.summary import Summary, at_most, summarize
from tierhost.drills.campaign.trial import BROKEN, CUT_SHORT, DONE, HELD, OVERDUE, UNKNOWN, ended

CAMPAIGN = Campaign("try", ("a", "b"), (1, 2))


def row(trial: int, verdict: str = HELD, outcome: str = DONE, attempt: int = 1, seconds: float = 1.0) -> Row:
    found = CAMPAIGN.trials()[trial]
    return Row(trial, attempt, found.drill, found.seed, found.repetition, outcome, verdict, 0, seconds, "", "")


def summary(*rows: Row) -> Summary:
    return summarize(CAMPAIGN, CAMPAIGN.trials(), rows)


def test_all_held() -> None:
    found = summary(*(row(number) for number in range(4)))
    assert (found.verdict, found.total.held, found.total.missing, found.not_held) == (HELD, 4, 0, [])
    assert [(line.drill, line.trials, line.held) for line in found.lines] == [("a", 2, 2), ("b", 2, 2)]


def test_one_broken_breaks_it_and_is_shown_with_its_command() -> None:
    found = summary(row(0), row(1, BROKEN), row(2), row(3, UNKNOWN))
    assert found.verdict == BROKEN
    assert [(one["drill"], one["seed"], one["verdict"]) for one in found.not_held] == [("b", 1, BROKEN), ("b", 2, UNKNOWN)]
    assert "b" in found.not_held[0]["command"]


def test_what_is_missing_is_no_success() -> None:
    found = summary(row(0), row(1), row(2))
    assert (found.verdict, found.total.missing) == (UNKNOWN, 1)
    assert found.not_held[0]["outcome"] == "never begun"
    assert summarize(CAMPAIGN, [], []).verdict == UNKNOWN


def test_a_trial_that_was_cut_short_and_run_again_counts_once_and_is_seen_twice() -> None:
    found = summary(row(0, UNKNOWN, CUT_SHORT), row(0, attempt=2), row(1), row(2), row(3))
    assert (found.verdict, found.total.held, found.total.attempts) == (HELD, 4, 5)
    assert (found.total.cut_short, found.total.again, found.total.twice) == (1, 1, 0)


def test_a_trial_that_is_still_under_way_is_missing() -> None:
    assert summary(row(0, "", ""), row(1), row(2), row(3)).total.missing == 1


def test_two_results_of_one_trial_are_noticed() -> None:
    found = summary(*(row(number) for number in range(4)), row(0, attempt=2))
    assert (found.verdict, found.total.twice, found.total.trials) == (UNKNOWN, 1, 4)


def test_times_are_given_as_a_distribution() -> None:
    found = summary(*(row(number, seconds=number + 1.0) for number in range(4)))
    assert (found.total.p50_s, found.total.p95_s) == (2.0, 4.0)


@pytest.mark.parametrize(("failures", "trials", "bound"), [(0, 0, 1.0), (0, 100, 0.0295), (1, 100, 0.0466), (5, 5, 1.0)])
def test_no_failure_in_so_many_trials_has_a_bound(failures: int, trials: int, bound: float) -> None:
    assert at_most(failures, trials) == pytest.approx(bound, abs=2e-4)


@pytest.mark.parametrize(
    ("exit_code", "output", "outcome", "verdict"),
    [
        (0, b"", DONE, HELD),
        (1, b"", DONE, BROKEN),
        (3, b"", DONE, UNKNOWN),
        (0, b'{"verdict": "UNKNOWN"}', DONE, UNKNOWN),
        (1, b'{"summary": {"verdict": "BROKEN"}}', DONE, BROKEN),
        (0, b'{"verdict": "fine"}', DONE, HELD),
        (0, b"[1]", DONE, HELD),
        (124, b'{"verdict": "HELD"}', OVERDUE, UNKNOWN),
        (125, b"", CUT_SHORT, UNKNOWN),
        (-9, b'{"verdict": "HELD"}', CUT_SHORT, UNKNOWN),
    ],
)
def test_a_verdict_is_what_a_trial_that_ended_said(exit_code: int, output: bytes, outcome: str, verdict: str) -> None:
    found = ended(exit_code, output, "", 1.0, "here")
    assert (found.outcome, found.verdict) == (outcome, verdict)
