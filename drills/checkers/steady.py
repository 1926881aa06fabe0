"""The steady-state hypothesis: it held before anything was broken, and holds again once all is healed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierhost.drills.verdicts import Finding, Verdict

if TYPE_CHECKING:
    from tierhost.drills.history import History, Probed


def judge(history: History) -> Finding:
    """Not steady before: nothing can be said. Steady before and not after: it did not recover."""
    before, after = _labelled(history, "before"), _labelled(history, "after")
    fallen = [probed for probed in before if not probed.held]
    if not before or fallen:
        text = "it was not steady before anything was broken" if fallen else "nobody looked whether it was steady before"
        return Finding("steady", Verdict.UNKNOWN, text, _lines(fallen))
    if not after:
        return Finding("steady", Verdict.UNKNOWN, "the run ended before anybody looked whether it was steady again")
    worse = [probed for probed in after if not probed.held]
    if worse:
        return Finding("steady", Verdict.BROKEN, f"{len(worse)} of {len(after)} probes do not hold any more", _lines(worse))
    missing = {probed.title for probed in before} - {probed.title for probed in after}
    if missing:
        return Finding("steady", Verdict.UNKNOWN, "not every probe was made again", tuple(sorted(missing)))
    return Finding("steady", Verdict.HELD, f"{len(after)} of {len(after)} probes hold again")


def _labelled(history: History, label: str) -> list[Probed]:
    return [probed for probed in history.probes if probed.label == label]


def _lines(probes: list[Probed]) -> tuple[str, ...]:
    return tuple(f"{probed.title}: {probed.text}" for probed in probes)
