"""A race judged from its trials alone."""

from __future__ import annotations

from tierhost.drills.race import FLAT, OURS, TIERS, Trial
from tierhost.drills.race_figures import figures, lines_of, value_of


def _trial(mode: str, *, not_started: tuple[str, ...] = (), killed: tuple[str, ...] = ()) -> Trial:
    return Trial(1, mode, OURS, 0.1, 2, not_started, (), killed, (0.5, 0.7), 1.0)


def test_a_guest_not_started_or_killed_makes_a_trial_lost() -> None:
    trials = [_trial(FLAT, not_started=("a",)), _trial(FLAT, killed=("b",)), _trial(FLAT), _trial(TIERS)]
    flat, tiers = figures(trials)
    assert (flat["lost"]["k"], flat["lost"]["n"], flat["not_started"], flat["killed"]) == (2, 3, 1, 1)
    assert (tiers["lost"]["k"], tiers["lost"]["n"]) == (0, 1)


def test_the_table_has_a_line_for_each_way_of_loading() -> None:
    lines = lines_of([_trial(FLAT, not_started=("a",)), _trial(TIERS)])
    assert "1 of 1 (100%)" in lines[2]
    assert "0 of 1 (0%)" in lines[3]
    assert lines[-1].startswith("ours: a difference like this by chance alone: p = ")


def test_forty_trials_against_forty_are_no_chance() -> None:
    trials = [_trial(FLAT, not_started=("a",))] * 16 + [_trial(FLAT)] * 24 + [_trial(TIERS)] * 40
    assert "24.9% to 56.7%" in lines_of(trials)[2]
    assert float(lines_of(trials)[-1].rpartition(" ")[2]) < 1e-5


def test_a_race_without_a_start_is_told_all_the_same() -> None:
    trial = Trial(1, FLAT, OURS, 0.1, 2, ("a", "b"), ("a", "b"), (), (), 1.0)
    assert lines_of([trial])[2].endswith("none")
    assert value_of([trial], 7)["summary"][0]["starts_s"] is None
