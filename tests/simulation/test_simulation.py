"""The core keeps every promise while a hundred thousand faults rain on it, and each kind of fault is seen to strike."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from typing import Final

import pytest

from tests.simulation.__main__ import main
from tests.simulation.body import START_FAULTS, VERB_FAULTS
from tests.simulation.faults import STRIKES
from tests.simulation.planted import StartsBesideTheDead
from tests.simulation.run import Summary, run_from, run_seed
from tierhost.host.core.lifecycle import NEXT, Phase

FAULTS_EACH_MIN: Final = 10_500
FIRST_SEEDS: Final = tuple(range(1_000, 11_000, 1_000))
KINDS: Final = (set(STRIKES) - {"armed"}) | set(START_FAULTS) | set(VERB_FAULTS)
"""Arming is no fault; what was armed is one, when it strikes."""

LATE: Final = {"crash during shutdown", "hang during shutdown", "nonsense during shutdown", "stale during shutdown"}

ONLY_BY_OTHER_POLICIES: Final = {
    (Phase.BACKOFF, Phase.DORMANT),
    (Phase.QUARANTINED, Phase.DORMANT),
    (Phase.SKIPPED, Phase.DORMANT),
}
"""A driver is down under a closed tier only if a new host found it there, and then it failed once: too little for these."""


@cache
def kept(first_seed: int) -> Summary:
    """Let faults rain from this seed on. Raises Broken if a promise is."""
    *_, summary = run_from(first_seed, FAULTS_EACH_MIN)
    return summary


@pytest.mark.slow
@pytest.mark.parametrize("first_seed", FIRST_SEEDS)
def test_every_promise_is_kept_while_faults_rain(first_seed: int) -> None:
    summary = kept(first_seed)
    assert summary.struck() >= FAULTS_EACH_MIN
    assert not KINDS - set(summary.faults), "a kind of fault never struck"
    assert summary.checks > summary.events, "the judge looked away"


@pytest.mark.slow
def test_a_hundred_thousand_faults_strike_at_every_move_of_a_life() -> None:
    total = Summary()
    for first_seed in FIRST_SEEDS:
        one = kept(first_seed)
        total.faults.update(one.faults)
        total.moves.update(one.moves)
    assert total.struck() >= 100_000
    assert not LATE - set(total.faults), "no fault struck during a shutdown"
    table = {(before, after) for before, afters in NEXT.items() for after in afters}
    never = {f"{before.name} -> {after.name}" for before, after in table - set(total.moves) - ONLY_BY_OTHER_POLICIES}
    assert not never, "moves of the table that the simulation never sees"
    assert not set(total.moves) - table, "moves that are not in the table"


def test_a_seed_always_tells_the_same_story() -> None:
    first, second = run_seed(7), run_seed(7)
    assert list(first.trace) == list(second.trace)
    assert first.faults == second.faults
    assert first.events_told == second.events_told


def test_a_seed_tells_the_same_story_to_a_python_that_hashes_otherwise() -> None:
    told = {
        subprocess.run(
            [sys.executable, "-m", "tests.simulation", "--seed", "5", "--events", "600"],
            env={"PYTHONHASHSEED": salt},
            check=True,
            capture_output=True,
            timeout=60,
        ).stdout
        for salt in ("1", "2")
    }
    assert len(told) == 1


def test_a_broken_promise_is_shown_with_its_seed_its_story_and_how_to_see_it_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", "40", "--events", "1000"], StartsBesideTheDead) == 1
    said = capsys.readouterr().out
    assert "seed 40 broke 'one body': no new life before the former body is buried" in said
    assert "StartWorker" in said
    assert "story of d0" in said
    assert said.rstrip().endswith("replay with: make simulate SEED=40 N=1")

    assert main(["--seed", "40", "--events", "1"], StartsBesideTheDead) == 1
    assert capsys.readouterr().out == said


def test_a_run_that_keeps_every_promise_says_how_much_it_saw(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", "40", "--events", "300"]) == 0
    said = capsys.readouterr().out
    assert "every promise was kept" in said
    assert "stale word" in said
