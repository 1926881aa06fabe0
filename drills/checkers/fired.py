"""Each fault of the plan fired and proved it, otherwise the run is evidence of nothing; and what must follow at once did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierhost.drills.verdicts import Finding, Verdict

if TYPE_CHECKING:
    from tierhost.drills.history import History
    from tierhost.drills.plan import Drill


def judge_drill(history: History, drill: Drill) -> Finding:
    """Compare the plan with what was struck. A drill without faults is a control run, and holds."""
    struck = {strike.number: strike for strike in history.strikes}
    broken = tuple(
        f"fault {each.number} ({each.kind} of {each.target}): {each.broken}" for each in history.strikes if each.broken
    )
    if broken:
        return Finding("fired", Verdict.BROKEN, f"{len(broken)} faults struck, and what must follow did not", broken)
    missing, seen = [], []
    for number, fault in enumerate(drill.faults, 1):
        strike = struck.get(number)
        name = f"fault {number} ({fault.kind} of {fault.target})"
        if strike is None or strike.fired_s is None:
            missing.append(f"{name}: {strike.proof if strike and strike.proof else 'never struck'}")
        elif not strike.proof:
            missing.append(f"{name} struck, and nothing shows that it did")
        else:
            seen.append(f"{name} at {strike.point}: {strike.proof}")
    if missing:
        text = f"{len(missing)} of {len(drill.faults)} faults did not fire"
        return Finding("fired", Verdict.UNKNOWN, text, tuple(missing))
    if not drill.faults:
        return Finding("fired", Verdict.HELD, "no fault was planned: a control run")
    return Finding("fired", Verdict.HELD, f"{len(seen)} of {len(seen)} faults fired", tuple(seen))
