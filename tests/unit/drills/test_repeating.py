"""Many runs of one drill: in turn, each with the next seed, and taken together with those of another build."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.unit.drills import one_run
from tierhost.drills.faults import BadPlan
from tierhost.drills.repeating import BUILD, on_build, repeated, taken_together, verdict_of
from tierhost.drills.reports.as_text import figures
from tierhost.drills.reports.figures import series_of
from tierhost.drills.reports.results import Run, Trial
from tierhost.drills.stored import Stored
from tierhost.drills.verdicts import Finding, Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from tierhost.drills.plan import Drill

TIMES = 12


def build(folder: Path) -> Path:
    (folder / "tierhost").mkdir()
    (folder / "tierhost" / "__init__.py").touch()
    return folder


def pretended(drill: Drill, seed: int) -> Stored:
    """The other build needs 300 ms more until it answers, and is broken for one seed."""
    slow = BUILD in drill.options
    recovered_s = (0.35 if slow else 0.05) + seed / 1000
    calls = (one_run.call(1, "secret.secret_list", 5.0, recovered_s),)
    verdict = Verdict.BROKEN if slow and seed == 9 else Verdict.HELD
    history = one_run.history(calls=calls, strikes=(one_run.strike(),))
    return Stored(drill, replace(history, seed=seed), (Finding("fired", verdict, "a word"),))


def test_they_take_turns_with_the_same_seeds(tmp_path: Path) -> None:
    order: list[tuple[int, bool]] = []

    def run(drill: Drill, seed: int) -> Stored:
        order.append((seed, BUILD in drill.options))
        return pretended(drill, seed)

    drill = one_run.drill()
    sets = repeated([drill, on_build(drill, build(tmp_path))], 7, 3, run)
    assert order == [(7, False), (7, True), (8, False), (8, True), (9, False), (9, True)]
    assert [[done.history.seed for done in runs] for runs in sets] == [[7, 8, 9]] * 2
    assert verdict_of(sets) is Verdict.BROKEN
    assert verdict_of(sets[:1]) is Verdict.HELD


def test_a_slower_build_is_told_beside_this_one(tmp_path: Path) -> None:
    drill = one_run.drill()
    sets = repeated([drill, on_build(drill, build(tmp_path))], 1, TIMES, pretended)
    lines = list(figures(taken_together(sets, "again")))
    assert lines[0] == "recovery of secret: strike to first answer"
    assert lines[1].split()[:5] == ["these", "runs", "n", str(TIMES), "p50"]
    assert lines[2].startswith(f"  {tmp_path}")
    assert "minus that of these runs: 300 ms" in lines[3]
    assert lines[3].endswith("they differ")
    assert "runs BROKEN: 0 of 12: below 22.09% with 95 % confidence" in lines


def test_alone_there_is_nothing_beside() -> None:
    told = taken_together(repeated([one_run.drill()], 1, TIMES, pretended), "again")
    assert (told.other, told.other_name) == ((), "")
    assert [line for line in figures(told) if "minus" in line] == []


@pytest.mark.parametrize("times", [0, -1, 10_001])
def test_so_many_runs_cannot_be(times: int) -> None:
    with pytest.raises(BadPlan, match="runs cannot be"):
        repeated([one_run.drill()], 1, times, pretended)


def test_a_folder_without_a_build_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadPlan, match="there is no build"):
        on_build(one_run.drill(), tmp_path)


def answering(runs: int, slower_s: float) -> tuple[Trial, ...]:
    """Runs of fifty answers each; what one run is slower than the next it is with all of them."""
    return tuple(
        Trial(
            one_run.history(
                calls=tuple(
                    one_run.call(number, "qemu.domain_list", 6.0, slower_s + run / 100 + number / 1e6, load=True)
                    for number in range(50)
                ),
                strikes=(one_run.strike(),),
            ),
            (),
        )
        for run in range(runs)
    )


@pytest.mark.parametrize(("runs", "slower_s", "differ"), [(1, 1.0, None), (8, 0.003, False), (8, 1.0, True)])
def test_many_answers_of_one_run_prove_no_more_than_one(runs: int, slower_s: float, differ: bool | None) -> None:
    told = Run(one_run.drill(), answering(runs, 0.001), "again", other=answering(runs, slower_s), other_name="there")
    (series,) = [each for each in series_of(told) if each.title.startswith("answers of qemu")]
    assert series.told.n == 50 * runs
    assert (series.compared.differs if series.compared else None) is differ
