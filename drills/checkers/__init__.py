"""Judges: each sees one history and says HELD, BROKEN or UNKNOWN. A module here offers `judge`, and is found by being here.

`judge(history) -> Finding` needs the run alone; `judge_drill(history, drill) -> Finding` also what the drill allows.
"""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING

from tierhost.drills.discovery import modules_of
from tierhost.drills.verdicts import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierhost.drills.history import History
    from tierhost.drills.plan import Drill


def judge_all(history: History, drill: Drill) -> list[Finding]:
    """Ask every judge there is. One that crashes knows nothing, and says where."""
    return [_guarded(name, judge, history, drill) for name, judge in _judges().items()]


def _judges() -> dict[str, Callable[[History, Drill], Finding]]:
    found: dict[str, Callable[[History, Drill], Finding]] = {}
    for name, module in modules_of(sys.modules[__name__]).items():
        if hasattr(module, "judge_drill"):
            found[name] = module.judge_drill
        elif hasattr(module, "judge"):
            found[name] = _of_history_alone(module.judge)
    return found


def _of_history_alone(judge: Callable[[History], Finding]) -> Callable[[History, Drill], Finding]:
    return lambda history, _drill: judge(history)


def _guarded(name: str, judge: Callable[[History, Drill], Finding], history: History, drill: Drill) -> Finding:
    try:
        return judge(history, drill)
    except Exception as error:  # noqa: BLE001  # a judge that fell has no opinion; the others still have theirs
        where = tuple(traceback.format_exception(error)[-3:])
        return Finding(name, Verdict.UNKNOWN, f"the judge itself crashed: {type(error).__name__}: {error}", where)
