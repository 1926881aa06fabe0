"""One trial from nothing to a verdict: a private folder, a target, its site, the run, the judges, and nothing left."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tierhost.drills import sites
from tierhost.drills.checkers import judge_all
from tierhost.drills.private import private_folder
from tierhost.drills.run import Run
from tierhost.drills.stored import Stored
from tierhost.drills.targets import table

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierhost.drills.history import Call, History
    from tierhost.drills.plan import Drill


def trial(drill: Drill, seed: int, target: str, tell: Callable[[str], None], *, control: bool = False) -> Stored:
    """Run a drill once and judge it; with `control` after a run of the same site, load and calls without a fault.

    Raises BadPlan, or a TierhostError if the target cannot be started or set up.
    """
    calls: tuple[Call, ...] = ()
    if control:
        tell("control run, without faults")
        calls = history_of(replace(drill, faults=()), seed, target, tell).calls
    history = replace(history_of(drill, seed, target, tell), control=calls)
    return Stored(drill, history, tuple(judge_all(history, drill)))


def history_of(drill: Drill, seed: int, target: str, tell: Callable[[str], None]) -> History:
    """Run a drill once in a folder of its own, and leave nothing. Raises as `trial` does."""
    with private_folder() as folder:
        made = table.make(target, folder, drill)
        try:
            made.start()
            sites.set_up(drill.site, made)
            tell(f"{target} is up, site {drill.site or 'empty'}")
            return Run(drill, made, seed, tell).go()
        finally:
            made.close()
