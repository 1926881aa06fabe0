"""Losses that a plan allows, as when every copy of a file is destroyed: each must be told by whoever lost it."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.history import FAILED
from tierhost.ipc.errors import Code, DriverError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tierhost.drills.acknowledged import Comparison
    from tierhost.drills.effects import Fact
    from tierhost.drills.history import Call, History, Look

OWNERS: Final[Mapping[str, str]] = {"secrets": "secret", "pools": "storage", "volumes": "storage", "guests": "qemu"}
WHOLE_STATE: Final = "state"
"""The subject of a driver whose store has lost rows that nobody can name."""

NOT_THERE: Final = frozenset({Code.NO_SECRET, Code.NO_STORAGE_POOL, Code.NO_STORAGE_VOL, Code.NO_DOMAIN})
"""Errors that say no more than that nothing is there: whoever has forgotten a loss says the same."""

NO_LOSS: Final = frozenset({"paused", "pid"})
"""Facts that nobody can lose, only change."""


def may_be_lost(comparison: Comparison, patterns: Iterable[str]) -> bool:
    """Whether a fact is gone (and not merely another), and one of the patterns ("secrets *", "pools images") allows that."""
    kind, name, what = comparison.fact
    gone = comparison.found is False or comparison.found is None
    return gone and what not in NO_LOSS and any(fnmatchcase(f"{kind} {name}", pattern) for pattern in patterns)


def told(fact: Fact, history: History, last: Look) -> str:
    """Say how the loss of a fact is told: by the status of its driver, or by a call that was refused for it. Empty: it is not."""
    kind, name, _ = fact
    names = {name, str(_row(history, kind, name).get("uuid", name))}
    for row in last.status.get("drivers", ()):
        if row.get("name") == OWNERS.get(kind):
            if row.get("phase") == "QUARANTINED":
                return f"{row['name']} is QUARANTINED: {row.get('last_error', '')}"
            for subject, reason in row.get("degraded", {}).items():
                if subject == WHOLE_STATE or any(each in subject for each in names):
                    return f"degraded: {subject}: {reason}"
    since_s = min((strike.fired_s for strike in history.strikes if strike.fired_s is not None), default=history.began_s)
    refused = (call for call in history.calls if call.begin_s >= since_s and _speaks_of(call, OWNERS.get(kind, ""), names))
    return next((f"{call.method} was refused: {call.text}" for call in refused), "")


def _speaks_of(call: Call, owner: str, names: set[str]) -> bool:
    about = call.outcome == FAILED and call.driver == owner and call.kind == DriverError.__name__
    return about and call.code not in NOT_THERE and any(name in map(str, call.args) for name in names)


def _row(history: History, kind: str, name: str) -> Mapping[str, Any]:
    found = (look.objects.get(kind, {}).get(name) for look in history.looks)
    return next((row for row in found if row), {})
