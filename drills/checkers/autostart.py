"""Autostart once per boot: each driver auto-starts once, and what was stopped since is not started again."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from tierhost.drills.acknowledged import compare
from tierhost.drills.checkers import EVIDENCE_MAX
from tierhost.drills.replaying import AUTO_START, NoEvidence, host_lives, judged
from tierhost.drills.verdicts import Finding, Verdict
from tierhost.host.core import commands, events

if TYPE_CHECKING:
    from tierhost.drills.history import History
    from tierhost.drills.replaying import HostLife

NAME: Final = "autostart"
STARTED: Final = {"pools": "active", "guests": "running"}


def judge(history: History) -> Finding:
    """Replay the journal, count, and look for what came back though it was stopped."""
    try:
        lives = host_lives(history)
        broken = judged(history, ("auto start",))
    except NoEvidence as error:
        return Finding(NAME, Verdict.UNKNOWN, error.text)
    counts = _completed(lives)
    broken += [f"boot {boot}: {driver} auto-started {count} times" for (boot, driver), count in counts.items() if count > 1]
    broken += _started_again(history)
    if broken:
        text = f"{len(broken)} signs that something was auto-started again"
        return Finding(NAME, Verdict.BROKEN, text, tuple(broken[:EVIDENCE_MAX]))
    orders = [each for life in lives for each in life.orders() if isinstance(each, commands.RunVerb) and each.verb == AUTO_START]
    if not orders:
        return Finding(NAME, Verdict.UNKNOWN, "no auto-start was ordered while the journal was kept")
    boots = len({life.boot for life in lives})
    return Finding(NAME, Verdict.HELD, f"{len(counts)} auto-starts in {boots} boots of {len(lives)} hosts, none of them twice")


def _completed(lives: list[HostLife]) -> Counter[tuple[int, str]]:
    return Counter(
        (life.boot, event.driver)
        for life in lives
        for event in life.events()
        if isinstance(event, events.VerbReported) and event.verb == AUTO_START and event.outcome == "complete"
    )


def _started_again(history: History) -> list[str]:
    """List what has autostart, was stopped by an acknowledged call, and runs at the end although nobody started it."""
    last = history.look("after")
    if last is None:
        return []
    return [
        f"{comparison} and it has autostart"
        for comparison in compare(history, last)
        if comparison.fact[2] == STARTED.get(comparison.fact[0])
        and comparison.acknowledged
        and comparison.expected == (False,)
        and comparison.found is True
        and last.objects[comparison.fact[0]][comparison.fact[1]].get("autostart")
    ]
