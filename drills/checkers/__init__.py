"""Judges: each sees one history and says HELD, BROKEN or UNKNOWN. A module here offers one, and is found by being here.

`judge(history) -> Finding` needs the run alone; `judge_drill(history, drill) -> Finding` also what the drill allows.
"""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, Final

from tierhost.drills.discovery import modules_of
from tierhost.drills.verdicts import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierhost.drills.history import History
    from tierhost.drills.plan import Drill

    Judge = Callable[[History, Drill], Finding]

EVIDENCE_MAX: Final = 20
"""How many lines of evidence a finding shows; how many there are stands in its text."""


def judge_all(history: History, drill: Drill) -> list[Finding]:
    """Ask every judge there is, or those that the drill's option `judges` names.

    One that crashes knows nothing, and says where; one that is not there has not judged.
    """
    judges = _judges()
    names = drill.options.get("judges", sorted(judges))
    return [
        _guarded(name, judges[name], history, drill)
        if name in judges
        else Finding(name, Verdict.UNKNOWN, f"there is no judge of this name; there are {', '.join(sorted(judges))}")
        for name in names
    ]


def _judges() -> dict[str, Judge]:
    found: dict[str, Judge] = {}
    for name, module in modules_of(sys.modules[__name__]).items():
        if hasattr(module, "judge_drill"):
            found[name] = module.judge_drill
        elif hasattr(module, "judge"):
            found[name] = _of_history_alone(module.judge)
    return found


def _of_history_alone(judge: Callable[[History], Finding]) -> Judge:
    return lambda history, _drill: judge(history)


def _guarded(name: str, judge: Judge, history: History, drill: Drill) -> Finding:
    try:
        return judge(history, drill)
    except Exception as error:  # noqa: BLE001  # a judge that fell has no opinion; the others still have theirs
        last = traceback.format_exception(error)[-1].strip()
        where = traceback.extract_tb(error.__traceback__)[-1]
        return Finding(name, Verdict.UNKNOWN, f"the judge itself crashed: {last}", (f"{where.filename}:{where.lineno}",))
