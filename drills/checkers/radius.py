"""The blast radius: which calls failed, and whether the drill had allowed these, with these errors, at this time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tierhost.drills.verdicts import Finding, Verdict

if TYPE_CHECKING:
    from tierhost.drills.history import Call, History, Strike
    from tierhost.drills.plan import Drill, Radius

EVIDENCE_MAX: Final = 20


def judge_drill(history: History, drill: Drill) -> Finding:
    """Look at every call that was not answered. Without a call after the first strike there is no evidence."""
    fired = [strike for strike in history.strikes if strike.fired_s is not None]
    failed = [call for call in history.calls if call.has_failed]
    outside = [(call, why) for call in failed if (why := _outside(call, drill.radius, fired))]
    if outside:
        lines = tuple(_line(call, why, history.began_s) for call, why in outside[:EVIDENCE_MAX])
        text = f"{len(outside)} of {len(history.calls)} calls failed outside the blast radius"
        return Finding("radius", Verdict.BROKEN, text, lines)
    first_s = min((strike.fired_s for strike in fired if strike.fired_s is not None), default=None)
    later = [call for call in history.calls if first_s is None or _end_s(call) >= first_s]
    if not later:
        return Finding("radius", Verdict.UNKNOWN, "no call was made after the fault, so nothing shows what it cost")
    lines = tuple(_line(call, "allowed", history.began_s) for call in failed[:EVIDENCE_MAX])
    return Finding("radius", Verdict.HELD, f"{len(failed)} of {len(later)} calls failed, none outside the blast radius", lines)


def _end_s(call: Call) -> float:
    return call.begin_s + call.deadline_s if call.end_s is None else call.end_s


def _outside(call: Call, radius: Radius, fired: list[Strike]) -> str:
    """Say what puts a failed call outside the radius; nothing if it is inside."""
    if not any(_touches(call, strike, radius.for_s) for strike in fired):
        return "no fault was near"
    if not {call.driver, call.method} & set(radius.drivers):
        return f"{call.driver} was not to suffer"
    if radius.kinds and call.kind not in radius.kinds:
        return f"an error of this kind was not to be seen (allowed: {', '.join(radius.kinds)})"
    return ""


def _touches(call: Call, strike: Strike, for_s: float) -> bool:
    """Whether the call was under way at any instant from the strike until `for_s` after its cure."""
    if strike.fired_s is None:
        return False
    over_s = (strike.fired_s if strike.healed_s is None else strike.healed_s) + for_s
    return call.begin_s <= over_s and _end_s(call) >= strike.fired_s


def _line(call: Call, why: str, began_s: float) -> str:
    took_s = _end_s(call) - call.begin_s
    error = call.kind or "no answer"
    return f"{call.begin_s - began_s:.3f} s: {call.method} {call.outcome} after {took_s:.3f} s, {error}: {call.text} ({why})"
