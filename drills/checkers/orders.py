"""Orders: whatever else a journal alone can show; lives have numbers and one body, words of the dead change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tierhost.drills.checkers import EVIDENCE_MAX
from tierhost.drills.replaying import NoEvidence, host_lives, judged
from tierhost.drills.verdicts import Finding, Verdict

if TYPE_CHECKING:
    from tierhost.drills.history import History

NAME: Final = "orders"
PROMISES: Final = ("one body", "incarnation", "announce", "dead life", "one verb", "stop order", "end", "inhibit", "phases")
"""Those that hold under every policy: the journal does not say which limits its host was given."""

ISOLATION: Final = "isolation"
BY_LIMITS: Final = ("in answer to TimePassed", "in answer to BeatRead")
"""Ends of a life that are just or not by the host's own limits: nothing is said about them."""


def judge(history: History) -> Finding:
    """Replay the journal."""
    try:
        lives = host_lives(history)
        broken = judged(history, PROMISES)
        broken += [line for line in judged(history, (ISOLATION,)) if not any(words in line for words in BY_LIMITS)]
    except NoEvidence as error:
        return Finding(NAME, Verdict.UNKNOWN, error.text)
    count = sum(1 for life in lives for _ in life.orders())
    if broken:
        return Finding(NAME, Verdict.BROKEN, f"{len(broken)} of {count} orders break a promise", tuple(broken[:EVIDENCE_MAX]))
    if not count:
        return Finding(NAME, Verdict.UNKNOWN, "no order was given while the journal was kept")
    return Finding(NAME, Verdict.HELD, f"{count} orders of {len(lives)} hosts, all as promised")
