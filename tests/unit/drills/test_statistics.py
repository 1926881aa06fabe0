"""Figures with their intervals, held against values that books and other programs give."""

from __future__ import annotations

import math
from random import Random

import pytest

from tierhost.drills import statistics
from tierhost.drills.statistics import bootstrap, compare, compare_shares, describe, estimate, quantile, share


def test_quantiles_are_values_that_were_seen() -> None:
    ordered = [float(value) for value in range(1, 101)]
    assert [quantile(ordered, part) for part in (0.5, 0.95, 0.99, 1.0)] == [50.0, 95.0, 99.0, 100.0]
    assert quantile([7.0], 0.99) == 7.0


def test_the_interval_of_a_median_is_that_of_the_tables() -> None:
    # n = 10: the 2nd and the 9th smallest value, 97.9 %; the tables of every book on order statistics.
    middle = estimate([float(value) for value in range(1, 11)], 0.5)
    assert (middle.low, middle.high) == (2.0, 9.0)


def test_few_values_say_nothing_about_the_upper_end_of_p99() -> None:
    # 0.99 ** n < 0.025 only from n = 368 on: until then the largest value seen bounds nothing.
    assert estimate([float(value) for value in range(300)], 0.99).high == math.inf
    assert estimate([float(value) for value in range(400)], 0.99).high == 399.0


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    random = Random(1)
    held = 0
    for _ in range(300):
        seen = estimate(sorted(random.random() for _ in range(60)), 0.5)
        held += seen.low <= 0.5 <= seen.high
    assert 280 <= held <= 300


def test_who_never_came_back_counts_as_the_longest_time() -> None:
    told = describe([1.0, 2.0, 3.0], never=1)
    assert told is not None
    assert (told.n, told.never, told.p50.value, told.largest) == (4, 1, 2.0, math.inf)
    assert describe([]) is None


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [(5, 20, 0.0866, 0.4910), (1, 10, 0.0025, 0.4450), (10, 10, 0.7411, 1.0), (0, 10, 0.0, 0.2589), (0, 300, 0.0, 0.00994)],
)
def test_shares_have_the_exact_interval(k: int, n: int, low: float, high: float) -> None:
    seen = share(k, n)
    assert [seen.low, seen.high] == pytest.approx([low, high], abs=2e-4)


def test_no_failure_of_n_prints_its_bound() -> None:
    assert str(share(0, 300)) == "0 of 300: below 0.99% with 95 % confidence"
    assert str(share(8, 20)).startswith("8 of 20 (40.0%; 95 % interval 19.1% to ")
    assert share(0, 1000).high == pytest.approx(3 / 1000, rel=0.01)
    with pytest.raises(ValueError, match="no share"):
        share(3, 2)


def test_a_bootstrap_repeats_with_its_seed() -> None:
    values = [float(value) for value in range(50)]
    assert bootstrap(values, max, 1) == bootstrap(values, max, 1)
    seen = bootstrap(values, lambda drawn: sum(drawn) / len(drawn), 1)
    assert seen.low < 24.5 < seen.high
    assert seen.value == 24.5


def test_a_slower_build_is_told_from_chance_and_chance_is_seldom_taken_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "RESAMPLES", 300)
    alarms, found = 0, 0
    for seed in range(100):
        random = Random(seed)
        base, same, slower = ([random.gauss(middle, 1) for _ in range(40)] for middle in (10, 10, 12))
        alarms += compare(base, same, seed + 1000).differs
        found += compare(base, slower, seed + 1000).difference.low > 1
    assert alarms <= 10
    assert found >= 90


def test_the_rank_test_gives_the_value_of_the_textbooks() -> None:
    # The example of the documentation of scipy.stats.mannwhitneyu: U = 17, p = 0.1113 with continuity.
    males, females = [19, 22, 16, 29, 24], [20, 11, 17, 12]
    assert compare(males, females, 1).p_value == pytest.approx(0.11134688653, abs=1e-9)
    assert compare([1.0] * 6, [1.0] * 6, 1).p_value == 1.0


def test_two_shares_are_compared_exactly() -> None:
    # Fisher's tea: 3 of 4 against 1 of 4, p = 0.4857.
    assert compare_shares(share(3, 4), share(1, 4)).p_value == pytest.approx(0.4857, abs=1e-4)
    race = compare_shares(share(16, 40), share(0, 40))
    assert race.differs
    assert race.difference.value == pytest.approx(-0.4)
    assert race.difference.high < 0
