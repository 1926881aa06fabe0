"""One drill file runs in the simulation and for real: same plan, same judges, same promises."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

import tierhost.drills
from tests.simulation.drilled import run_drill
from tests.simulation.planted import (
    AutoStartsAtOnce,
    AutoStartsEveryLife,
    BuriesTheLiving,
    CountsFromItsOwnBirth,
    FeelsNoPulse,
    ForgetsToAnnounceDeath,
    OpensEveryTier,
    RestartsTheNeighbours,
    SaysReadyTwice,
    SleepsThroughBackoff,
    StartsBesideTheDead,
)
from tierhost.drills import drill_file
from tierhost.drills.checkers import judge_all
from tierhost.drills.history import ANSWERED
from tierhost.drills.verdicts import Verdict
from tierhost.host.core.supervisor import Supervisor

if TYPE_CHECKING:
    from tierhost.drills.history import History
    from tierhost.drills.plan import Drill
    from tierhost.drills.verdicts import Finding

CATALOGUE: Final = Path(tierhost.drills.__file__).parent / "catalogue"
DRILLS: Final = (
    *("kill-each-worker", "kill-host", "kill-everything", "kill-host-in-recovery", "kill-storage-in-call"),
    *("kill-twice-in-recovery", "kill-guest-and-worker", "stop-each-worker", "reboot-then-kill-each-worker"),
)
BLIND: Final = {"exposure"}
"""The simulation has no files and no memory in which a secret could stand."""

PLANTED: Final = (
    ("kill-each-worker", OpensEveryTier, "barrier"),
    ("kill-each-worker", AutoStartsAtOnce, "barrier"),
    ("kill-each-worker", StartsBesideTheDead, "orders"),
    ("kill-host-in-recovery", CountsFromItsOwnBirth, "orders"),
    ("kill-each-worker", ForgetsToAnnounceDeath, "orders"),
    ("kill-each-worker", RestartsTheNeighbours, "orders"),
    ("kill-each-worker", SaysReadyTwice, "orders"),
    ("kill-each-worker", AutoStartsEveryLife, "autostart"),
    ("stop-each-worker", BuriesTheLiving, "orders"),
    ("stop-each-worker", FeelsNoPulse, "isolation"),
    ("kill-twice-in-recovery", SleepsThroughBackoff, "steady"),
)


@cache
def plan(name: str) -> Drill:
    return drill_file.load(CATALOGUE / f"{name}.toml")


def judged(name: str, core_class: type[Supervisor] = Supervisor, seed: int = 1) -> tuple[History, dict[str, Finding]]:
    history = run_drill(plan(name), seed, core_class)
    return history, {finding.checker: finding for finding in judge_all(history, plan(name))}


@pytest.mark.parametrize("name", DRILLS)
def test_a_drill_of_the_catalogue_holds_in_the_simulation(name: str) -> None:
    history, said = judged(name)
    assert {checker for checker, finding in said.items() if finding.verdict is not Verdict.HELD} == BLIND, said
    assert len(history.strikes) == len(plan(name).faults)
    assert sum(call.outcome == ANSWERED for call in history.calls) > 500
    assert history.notes == ()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "core_class", "judge"), PLANTED, ids=lambda value: getattr(value, "__name__", str(value)))
def test_the_same_judges_convict_a_planted_bug(name: str, core_class: type[Supervisor], judge: str) -> None:
    _, said = judged(name, core_class)
    assert said[judge].verdict is Verdict.BROKEN, said


def test_a_fault_at_what_the_simulation_has_not_does_not_fire_and_says_so() -> None:
    history, said = judged("kill-zygote")
    assert history.strikes[0].fired_s is None
    assert history.strikes[0].proof == "the simulation has no zygote"
    assert said["fired"].verdict is Verdict.UNKNOWN


def test_a_drill_tells_the_same_story_for_the_same_seed() -> None:
    assert run_drill(plan("kill-host"), 5) == run_drill(plan("kill-host"), 5)
    assert run_drill(plan("kill-host"), 5) != run_drill(plan("kill-host"), 6)
