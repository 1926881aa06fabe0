"""Restart arithmetic: what counts, what is too many, how long to wait."""

from __future__ import annotations

import pytest

from tierhost.host.core.restart import add_failure, backoff_s, is_too_many
from tierhost.host.core.spec import Policy

POLICY = Policy(intensity_max=3, intensity_period_s=10.0, backoff_first_s=0.1, backoff_max_s=1.0)


@pytest.mark.parametrize(
    ("failures", "wait_s"),
    [(0, 0.0), (1, 0.0), (2, 0.1), (3, 0.2), (4, 0.4), (5, 0.8), (6, 1.0), (7, 1.0), (1_000, 1.0)],
)
def test_the_first_failure_costs_no_wait_and_later_ones_double_it_up_to_the_cap(failures: int, wait_s: float) -> None:
    assert backoff_s((1.0,) * failures, POLICY) == pytest.approx(wait_s)


@pytest.mark.parametrize(("failures", "too_many"), [(0, False), (3, False), (4, True), (9, True)])
def test_more_failures_than_the_policy_allows_are_too_many(failures: int, *, too_many: bool) -> None:
    assert is_too_many((1.0,) * failures, POLICY) is too_many


@pytest.mark.parametrize(
    ("before", "now_s", "after"),
    [
        ((), 5.0, (5.0,)),
        ((1.0, 2.0), 5.0, (1.0, 2.0, 5.0)),
        ((1.0, 2.0), 11.0, (2.0, 11.0)),
        ((1.0, 2.0), 10.9, (1.0, 2.0, 10.9)),
        ((1.0, 2.0), 500.0, (500.0,)),
        ((5.0,), 5.0, (5.0, 5.0)),
    ],
)
def test_failures_older_than_the_period_are_forgotten(before: tuple[float, ...], now_s: float, after: tuple[float, ...]) -> None:
    assert add_failure(before, now_s, POLICY) == after


def test_a_driver_that_fails_now_and_then_is_never_given_up() -> None:
    failures: tuple[float, ...] = ()
    for number in range(100):
        failures = add_failure(failures, number * 4.0, POLICY)
        assert not is_too_many(failures, POLICY)
    assert len(failures) <= POLICY.intensity_max + 1, "it remembers no more than it needs"
