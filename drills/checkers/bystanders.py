"""Bystanders: a driver that was not struck, and was not to suffer, lives the same life afterwards, whatever was struck."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tierhost.drills.verdicts import Finding, Verdict

if TYPE_CHECKING:
    from tierhost.drills.history import History, Look
    from tierhost.drills.plan import Drill

NAME: Final = "bystanders"
EVERYTHING: Final = "everything"


def judge_drill(history: History, drill: Drill) -> Finding:
    """Hold the lives of the first look against those of the last."""
    first, last = history.look("before"), history.look("after")
    if first is None or last is None or not first.status.get("drivers") or not last.status.get("drivers"):
        return Finding(NAME, Verdict.UNKNOWN, "nobody looked at the drivers' lives before and afterwards")
    struck = {strike.target for strike in history.strikes if strike.fired_s is not None}
    if EVERYTHING in struck:
        return Finding(NAME, Verdict.HELD, "everything was struck: there was no bystander")
    meant = {method.partition(".")[0] for method in drill.radius.drivers} | struck
    before, after = _lives(first), _lives(last)
    watched = sorted(set(before) - meant)
    ended = tuple(
        f"{driver} was pid {before[driver]}, is {f'pid {after[driver]}' if after.get(driver) else 'gone'}"
        for driver in watched
        if after.get(driver) != before[driver]
    )
    if ended:
        return Finding(NAME, Verdict.BROKEN, f"{len(ended)} of {len(watched)} drivers lost a life that nobody struck", ended)
    return Finding(NAME, Verdict.HELD, f"{len(watched)} drivers were not struck, and live the same life")


def _lives(look: Look) -> dict[str, int]:
    return {str(row["name"]): int(row["pid"]) for row in look.status["drivers"] if row.get("pid")}
