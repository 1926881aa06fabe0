"""One drill many times, each time with the next seed, and if wanted in turn on another build: runs to be counted and compared."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tierhost.drills.faults import BadPlan
from tierhost.drills.reports.results import Run, Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tierhost.drills.plan import Drill
    from tierhost.drills.stored import Stored
    from tierhost.drills.verdicts import Verdict

BUILD: Final = "build"
"""The option of a drill that names another build of the host."""

TIMES_MAX: Final = 10_000


def on_build(drill: Drill, folder: Path) -> Drill:
    """Return the same drill for another build of the host. Raises BadPlan for a folder that has none."""
    if not (folder / "tierhost" / "__init__.py").is_file():
        raise BadPlan(f"there is no build of tierhost in {folder}", hint="a folder with `tierhost` in it, as PYTHONPATH has them")
    return replace(drill, options={**drill.options, BUILD: str(folder.resolve())})


def repeated(drills: Iterable[Drill], seed: int, times: int, run: Callable[[Drill, int], Stored]) -> list[list[Stored]]:
    """Run each drill so often, in turn: what changes on the machine meanwhile changes for all. Raises BadPlan."""
    if not 1 <= times <= TIMES_MAX:
        raise BadPlan(f"{times} runs cannot be", hint=f"from 1 to {TIMES_MAX}")
    sets: list[list[Stored]] = [[] for _ in drills]
    for number in range(times):
        for drill, done in zip(drills, sets, strict=True):
            done.append(run(drill, seed + number))
    return sets


def taken_together(sets: list[list[Stored]], command: str) -> Run:
    """Make one report of the first set, with the second beside it if there is one."""
    mine, other = sets[0], sets[1] if len(sets) > 1 else []
    name = str(other[0].drill.options.get(BUILD, "")) if other else ""
    return Run(mine[0].drill, _trials(mine), command, other=_trials(other), other_name=name)


def verdict_of(sets: list[list[Stored]]) -> Verdict:
    """The worst of all runs."""
    return max(done.verdict for runs in sets for done in runs)


def _trials(runs: list[Stored]) -> tuple[Trial, ...]:
    return tuple(Trial(done.history, done.findings) for done in runs)
