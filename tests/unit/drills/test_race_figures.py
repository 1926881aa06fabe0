"""Shares and their intervals against published values, and a race judged from its trials alone."""

from __future__ import annotations

import math

import pytest

from tierhost.drills.race import FLAT, OURS, TIERS, Trial
from tierhost.drills.race_figures import clopper_pearson, figures, lines_of, quantile


def _trial(mode: str, *, not_started: tuple[str, ...] = (), killed: tuple[str, ...] = ()) -> Trial:
    return Trial(1, mode, OURS, 0.1, 2, not_started, (), killed, (0.5, 0.7), 1.0)


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    [(0, 40, 0.0, 0.0881), (40, 40, 0.9119, 1.0), (5, 10, 0.1871, 0.8129), (16, 40, 0.2486, 0.5667), (1, 20, 0.0013, 0.2487)],
)
def test_an_interval_is_the_exact_one(hits: int, count: int, low: float, high: float) -> None:
    assert clopper_pearson(hits, count) == pytest.approx((low, high), abs=1e-4)


def test_nothing_tried_says_nothing() -> None:
    assert clopper_pearson(0, 0) == (0.0, 1.0)


def test_a_quantile_is_one_of_the_values() -> None:
    assert [quantile([1.0, 2.0, 3.0, 4.0], share) for share in (0.25, 0.5, 0.51, 1)] == [1.0, 2.0, 3.0, 4.0]
    assert math.isnan(quantile([], 0.5))


def test_a_guest_not_started_or_killed_makes_a_trial_lost() -> None:
    trials = [_trial(FLAT, not_started=("a",)), _trial(FLAT, killed=("b",)), _trial(FLAT), _trial(TIERS)]
    flat, tiers = figures(trials)
    assert (flat["lost"], flat["trials"], flat["not_started"], flat["killed"]) == (2, 3, 1, 1)
    assert (tiers["lost"], tiers["trials"]) == (0, 1)


def test_the_table_has_a_line_for_each_way_of_loading() -> None:
    lines = lines_of(figures([_trial(FLAT, not_started=("a",)), _trial(TIERS)]))
    assert "1 of 1 (100%)" in lines[2]
    assert "0 of 1 (0%)" in lines[3]
