"""Secrets nowhere: no value in a command line, an environment, a log, a core or any other file, however it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tierhost.drills.checkers import EVIDENCE_MAX
from tierhost.drills.verdicts import Finding, Verdict

if TYPE_CHECKING:
    from tierhost.drills.history import History

NAME: Final = "exposure"


def judge(history: History) -> Finding:
    """Take the word of the search that was made at each look. A search for nothing, or of nothing, is no evidence."""
    searches = [(look, row) for look in history.looks for row in look.world.get("searched", ())]
    found = [
        f"{look.at_s - history.began_s:+.3f} s: secret {row['secret']} is in {row['place']} ({row['form']})"
        for look in history.looks
        for row in look.world.get("exposed", ())
    ]
    if found:
        return Finding(NAME, Verdict.BROKEN, f"{len(found)} places show a secret", tuple(found[:EVIDENCE_MAX]))
    if not any(row["secrets"] and (row["files"] or row["processes"]) for _, row in searches):
        return Finding(NAME, Verdict.UNKNOWN, "nobody searched for the secrets' values")
    left_out = [f"{look.label}: {line}" for look, row in searches for line in row["left_out"]]
    if left_out:
        return Finding(NAME, Verdict.UNKNOWN, "not everything was searched", tuple(left_out[:EVIDENCE_MAX]))
    _, last = searches[-1]
    text = f"{last['secrets']} secrets are in none of {last['files']} files and {last['processes']} processes"
    return Finding(NAME, Verdict.HELD, text)
