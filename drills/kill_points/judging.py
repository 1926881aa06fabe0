"""The judges of one death at one point: pure; each says what it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tierhost.drills.history import ANSWERED, FAILED
from tierhost.drills.history import UNKNOWN as NOBODY_KNOWS
from tierhost.drills.verdicts import Finding, Verdict

NOTHING_DONE: Final = frozenset({"PeerDied", "PeerAbsent", "Busy"})
"""Errors that promise that nothing of the request was done."""

LONGEST_S: Final = 15.0
"""An answer takes no longer than this, whoever died: the callers of a drill wait longer, so a hang is seen."""


@dataclass(frozen=True, slots=True)
class Control:
    """The same operation, undisturbed: its objects before and after, and what was answered."""

    before: str = ""
    after: str = ""
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """What was seen of one operation that was cut off at one point. `before`, `after`, `last` are views of its objects.

    `outcome` and `kind` tell how the call ended, `answer` with what. `again` is the error of making it once more ("" if it
    went well or was not needed), `last` what was there then. `lives` is how many lives the driver lost, `others` names other
    drivers that lost one, `degraded` is what the status complains about, `left` what was left behind in the kernel's view,
    `trouble` what went wrong with the drill itself.
    """

    operation: str
    point: str
    changes: bool = True
    control: Control = Control()
    fired: bool = False
    proof: str = ""
    outcome: str = NOBODY_KNOWS
    kind: str = ""
    text: str = ""
    answer: str = ""
    took_s: float = 0.0
    before: str = ""
    after: str = ""
    last: str = ""
    again: str = ""
    lives: int = 1
    others: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    trouble: str = ""


def judge(trial: Trial) -> list[Finding]:
    """Every judge's word. Without proof that it fired, and where the drill itself had trouble, nobody knows anything."""
    if trial.trouble:
        return [Finding("drill", Verdict.UNKNOWN, f"the drill had trouble of its own: {trial.trouble}")]
    if not trial.fired:
        return [Finding("fired", Verdict.UNKNOWN, "the point was not reached, so nothing was tried")]
    if trial.before != trial.control.before:
        return [Finding("drill", Verdict.UNKNOWN, "it did not begin as the control run did", (trial.before,))]
    mine = (_acknowledged, _complete_or_absent, _again) if trial.changes else (_answered,)
    judges = (*mine, _isolation, _nothing_degraded, _no_leak, _bounded)
    return [one(trial) for one in judges]


def _finding(checker: str, text: str, *evidence: str, held: bool) -> Finding:
    return Finding(checker, Verdict.HELD, "") if held else Finding(checker, Verdict.BROKEN, text, evidence)


def _acknowledged(trial: Trial) -> Finding:
    """What was acknowledged is there."""
    held = trial.outcome != ANSWERED or trial.after == trial.control.after
    return _finding("acknowledged", "it was acknowledged, and is not there", trial.before, trial.after, held=held)


def _complete_or_absent(trial: Trial) -> Finding:
    """What was not acknowledged is complete or absent; absent, if the error says that nothing was done; nobody is refused."""
    ends = {trial.before, trial.control.after}
    if trial.outcome == FAILED and trial.kind in NOTHING_DONE:
        text = f"{trial.kind} says that nothing was done, and something was"
        return _finding("complete or absent", text, trial.before, trial.after, held=trial.after == trial.before)
    if trial.outcome == FAILED:
        return _finding("complete or absent", f"it was refused because a worker died: {trial.kind} {trial.text}", held=False)
    text = "it is neither complete nor absent"
    return _finding("complete or absent", text, trial.before, trial.after, trial.control.after, held=trial.after in ends)


def _again(trial: Trial) -> Finding:
    """Making the call again leads to the goal."""
    text = f"made again (which said: {trial.again or 'done'}), it does not come to its goal"
    return _finding("again", text, trial.last, trial.control.after, held=trial.last == trial.control.after)


def _answered(trial: Trial) -> Finding:
    """A question is answered as if nothing had happened."""
    held = trial.outcome == ANSWERED and trial.answer == trial.control.answer and trial.after == trial.before
    text = f"a question was not answered as without the death: {trial.outcome} {trial.kind} {trial.text}"
    return _finding("answer", text, trial.answer, trial.control.answer, held=held)


def _isolation(trial: Trial) -> Finding:
    """One death costs one life, and nobody else's."""
    text = f"{trial.lives} lives were lost instead of one; others that lost one: {', '.join(trial.others) or 'none'}"
    return _finding("isolation", text, held=trial.lives == 1 and not trial.others)


def _nothing_degraded(trial: Trial) -> Finding:
    return _finding("nothing degraded", "the status complains", *trial.degraded, held=not trial.degraded)


def _no_leak(trial: Trial) -> Finding:
    return _finding("no leak", "something was left behind", *trial.left, held=not trial.left)


def _bounded(trial: Trial) -> Finding:
    return _finding("bounded answer", f"the answer took {trial.took_s:.1f} s", held=trial.took_s <= LONGEST_S)
