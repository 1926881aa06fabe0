"""Isolation: calls to drivers that were not struck are answered, and neither block nor slow down."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from tierhost.drills.checkers import EVIDENCE_MAX
from tierhost.drills.history import ANSWERED
from tierhost.drills.statistics import estimate, quantile
from tierhost.drills.verdicts import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tierhost.drills.history import Call, History, Strike
    from tierhost.drills.plan import Drill, Radius

NAME: Final = "isolation"
REFUSALS: Final = frozenset({"DriverError"})
"""What a driver answers on purpose: the drill's own calls may be wrong ones; those of the load are not."""

EVERYTHING: Final = frozenset({"everything"})
COMPARED_MIN: Final = 50
"""With fewer calls on either side nothing is said about their p99."""

FACTOR: Final = 3.0
SLACK_S: Final = 0.1
"""p99 may be so many times that of the control, and so much more: a machine under test has other things to do."""

BLOCKED_S: Final = 2.0
"""One answer that takes this much longer than FACTOR times the control's slowest was blocked, however many others were not."""


def judge_drill(history: History, drill: Drill) -> Finding:
    """Look at calls from the first strike on, at drivers that no strike had hit by then. Their allowed errors are none."""
    fired = [strike for strike in history.strikes if strike.fired_s is not None]
    if not drill.faults and not fired:
        return _judge_control(history)
    if not fired:
        return Finding(NAME, Verdict.UNKNOWN, "nothing was struck, so there was nothing to be isolated from")
    first_s = min(strike.fired_s for strike in fired if strike.fired_s is not None)
    meant = [
        call
        for call in history.calls
        if (call.end_s is None or call.end_s >= first_s) and not _excused(call, fired, drill.radius)
    ]
    if not meant:
        struck = {strike.target for strike in fired}
        there = {str(row["name"]) for look in history.looks for row in look.status.get("drivers", ())}
        if EVERYTHING & struck or (there and there <= struck):
            return Finding(NAME, Verdict.HELD, "everything was struck: nobody was left to be isolated from it")
        return Finding(NAME, Verdict.UNKNOWN, "nobody called a driver that was not struck")
    control = history.control or [call for call in history.calls if call.end_s is not None and call.end_s < first_s]
    broken = [*_failed(meant, history.began_s), *_slowed(meant, control, history.began_s)]
    if broken:
        text = f"{len(broken)} signs of harm at drivers that were not struck, in {len(meant)} calls"
        return Finding(NAME, Verdict.BROKEN, text, tuple(broken[:EVIDENCE_MAX]))
    return Finding(
        NAME, Verdict.HELD, f"{len(meant)} calls to drivers that were not struck: no error, {_compared(meant, control)}"
    )


def _excused(call: Call, fired: Iterable[Strike], radius: Radius) -> bool:
    """Whether the driver itself was struck near the call, or the plan lets it suffer from a strike near it."""
    allowed = bool({call.driver, call.method} & set(radius.drivers))
    for strike in fired:
        struck = allowed or strike.target == call.driver or strike.target in EVERYTHING
        over_s = (strike.healed_s or strike.fired_s or 0.0) + radius.for_s
        if struck and (call.end_s is None or call.end_s >= (strike.fired_s or 0.0)) and call.begin_s <= over_s:
            return True
    return False


def _failed(calls: Iterable[Call], began_s: float) -> list[str]:
    return [
        f"{call.begin_s - began_s:+.3f} s: {call.method} {call.outcome}: {call.kind or 'no answer'} {call.text}".rstrip()
        for call in calls
        if call.has_failed and (call.load or call.kind not in REFUSALS)
    ]


def _times(calls: Iterable[Call]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = defaultdict(list)
    for call in calls:
        if call.load and call.outcome == ANSWERED and call.end_s is not None:
            found[call.method].append(call.end_s - call.begin_s)
    return found


def _slowed(calls: Sequence[Call], control: Sequence[Call], began_s: float) -> list[str]:
    usual, found = _times(control), []
    for call in calls:
        took_s = (call.end_s or call.begin_s) - call.begin_s
        limit_s = BLOCKED_S + FACTOR * max(usual.get(call.method, [0.0]))
        if call.load and call.outcome == ANSWERED and took_s > limit_s:
            found.append(f"{call.begin_s - began_s:+.3f} s: {call.method} took {took_s:.3f} s, blocked (limit {limit_s:.3f} s)")
    for method, took in _times(calls).items():
        beside = sorted(usual.get(method, ()))
        if min(len(took), len(beside)) < COMPARED_MIN:
            continue
        low_s, usual_s = estimate(sorted(took), 0.99).low, quantile(beside, 0.99)
        if low_s > FACTOR * usual_s + SLACK_S:
            found.append(f"{method}: p99 is above {low_s:.3f} s with 95 % confidence, the control's is {usual_s:.3f} s")
    return found


def _compared(calls: Sequence[Call], control: Sequence[Call]) -> str:
    took, usual = (sorted(value for values in _times(each).values() for value in values) for each in (calls, control))
    if not took or not usual:
        return "none blocked (there is no control to compare with)"
    figures = (f"{quantile(each, 0.99) * 1000:.1f} ms in {len(each)}" for each in (took, usual))
    return "p99 {}, of the control {}".format(*figures)


def _judge_control(history: History) -> Finding:
    """Where nothing was to be broken, no call has an excuse."""
    failed = [f"{call.method}: {call.kind} {call.text}" for call in history.calls if call.outcome != ANSWERED and call.load]
    if failed:
        return Finding(NAME, Verdict.BROKEN, f"{len(failed)} calls failed, and nothing was broken", tuple(failed[:EVIDENCE_MAX]))
    if not history.calls:
        return Finding(NAME, Verdict.UNKNOWN, "nobody called anybody")
    return Finding(NAME, Verdict.HELD, "no fault was planned, and no call failed: a control run")
