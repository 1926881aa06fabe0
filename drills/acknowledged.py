"""What must be there: a model of the acknowledged changes of a run, held against the last look at the world.

Every fact (this pool is active, that guest has autostart) is a register. An acknowledged call wrote it for certain, one whose
outcome is unknown perhaps; of calls that overlapped either may have been the last. What may be found is what some order of the
calls leaves behind, and nothing else.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.effects import ANYTHING, Names, effects
from tierhost.drills.history import ANSWERED, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tierhost.drills.effects import Fact
    from tierhost.drills.history import Call, History, Look

UNSEEN: Final = "unseen"
"""A value that a look does not show."""

WHATS: Final[Mapping[str, tuple[str, ...]]] = {
    "secrets": ("there", "has_value", "value"),
    "pools": ("persistent", "active", "autostart"),
    "volumes": ("there", "capacity"),
    "guests": ("persistent", "running", "paused", "pid", "autostart"),
}
LIVE: Final = ("active", "running", "paused", "pid")
"""Facts that a boot ends."""

STARTED_AT_BOOT: Final = {"pools": "active", "guests": "running"}

ACTIVE_STATES: Final = frozenset({"active", "running", "degraded"})
ENDED_STATES: Final = frozenset({"shutoff", "shut off", "crashed", "off"})
SURE_OF_LATE_END: Final = frozenset({"OutcomeUnknown"})
"""Errors after which a change is over, done or not; after any other it may still come."""


@dataclass(frozen=True, slots=True)
class Write:
    """One fact that a call (or a strike) made so, between two instants; `sure`: it was acknowledged."""

    begin_s: float
    end_s: float
    sure: bool
    value: Any
    by: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """One fact: what may be found, what was found, and whether an acknowledged call speaks of it."""

    fact: Fact
    expected: tuple[Any, ...]
    found: Any
    acknowledged: bool
    by: str

    @property
    def seen(self) -> bool:
        """Whether the look shows it at all."""
        return bool(self.found != UNSEEN)

    @property
    def holds(self) -> bool:
        """Whether what was found may be."""
        return ANYTHING in self.expected or any(self.found == value for value in self.expected)

    def __str__(self) -> str:
        kind, name, what = self.fact
        wanted = " or ".join(repr(value) for value in self.expected)
        return f"{kind.removesuffix('s')} {name}: {what} is {self.found!r}, expected {wanted} ({self.by})"


def compare(history: History, last: Look) -> list[Comparison]:
    """Hold every fact that can be foretold against the last look."""
    first = history.look("before")
    names = Names()
    for look in history.looks:
        names.learn_look(look)
    writes = _writes(history, first, last, names)
    found = []
    for fact in sorted(_facts(first, last, writes)):
        before = UNSEEN if first is None else value_in(first, fact)
        told = writes.get(fact, [])
        expected = _candidates(before, told)
        if expected:
            sure = [write for write in told if write.sure]
            by = sure[-1].by if sure else "as it was before"
            found.append(Comparison(fact, expected, value_in(last, fact), bool(sure), by))
    return found


def lost_acknowledgements(history: History) -> tuple[int, int] | None:
    """Count acknowledged facts that are not there at the end, and all of them; None without a last look."""
    last = history.look("after")
    if last is None:
        return None
    told = [comparison for comparison in compare(history, last) if comparison.acknowledged and comparison.seen]
    return sum(not comparison.holds for comparison in told), len(told)


def value_in(look: Look, fact: Fact) -> Any:
    """Read one fact off a look. What is not listed is not there; a kind that was not asked for is unseen."""
    kind, name, what = fact
    if kind not in look.objects:
        return UNSEEN
    if kind == "volumes" and not _is_active(look, name.partition("/")[0]):
        return UNSEEN
    row = look.objects[kind].get(name)
    return _absent(what) if row is None else _shown(kind, row, what)


def _absent(what: str) -> Any:
    return {"capacity": UNSEEN, "pid": UNSEEN, "paused": UNSEEN, "value": None}.get(what, False)


def _shown(kind: str, row: Mapping[str, Any], what: str) -> Any:
    if what == "there":
        return True
    if what == "active":
        return row.get("state") in ACTIVE_STATES
    if kind == "guests" and what in LIVE:
        return _of_guest(row, what)
    return row.get(what, UNSEEN)


def _of_guest(row: Mapping[str, Any], what: str) -> Any:
    runs = row.get("state") not in ENDED_STATES and row.get("pid", 1) != 0
    if what == "running":
        return runs
    if not runs:
        return UNSEEN
    return row.get("state") == "paused" if what == "paused" else row.get("pid", UNSEEN)


def _is_active(look: Look, pool: str) -> bool:
    row = look.objects.get("pools", {}).get(pool)
    return row is not None and row.get("state") in ACTIVE_STATES


def _facts(first: Look | None, last: Look, writes: Mapping[Fact, list[Write]]) -> set[Fact]:
    looks = [last] if first is None else [first, last]
    listed = {(kind, name) for look in looks for kind, rows in look.objects.items() for name in rows}
    return set(writes) | {(kind, name, what) for kind, name in listed for what in WHATS.get(kind, ())}


def _candidates(before: Any, writes: list[Write]) -> tuple[Any, ...]:
    """List what may be found; nothing where anything may, because nobody saw how it was before."""
    sure = [write for write in writes if write.sure]
    last = [write.value for write in writes if not any(other.begin_s > write.end_s for other in sure if other is not write)]
    if not sure:
        if before == UNSEEN:
            return ()
        last.insert(0, before)
    return tuple(value for number, value in enumerate(last) if value not in last[:number])


# What was written.


def _writes(history: History, first: Look | None, last: Look, names: Names) -> dict[Fact, list[Write]]:
    writes: dict[Fact, list[Write]] = defaultdict(list)
    for call in sorted(history.calls, key=lambda each: each.begin_s):
        write = _span(call, first, last)
        if write is not None:
            for fact, value in effects(call, names).items():
                writes[fact].append(Write(*write, value, f"call {call.number}, {call.method}, {call.outcome}"))
    for fact, write_of_strike in _strikes(history, first, last):
        writes[fact].append(write_of_strike)
    return writes


def _span(call: Call, first: Look | None, last: Look) -> tuple[float, float, bool] | None:
    if call.outcome not in {ANSWERED, UNKNOWN} or call.begin_s > last.at_s:
        return None
    end_s = math.inf if call.end_s is None else call.end_s
    if first is not None and end_s < first.at_s:
        return None
    if call.outcome == ANSWERED:
        return call.begin_s, end_s, end_s <= last.at_s
    return call.begin_s, end_s if call.kind in SURE_OF_LATE_END else math.inf, False


def _strikes(history: History, first: Look | None, last: Look) -> Iterator[tuple[Fact, Write]]:
    """A guest that was struck may have ended by that; a boot ends what only lives."""
    for strike in history.strikes:
        if strike.fired_s is None:
            continue
        by = f"strike {strike.number}, {strike.kind} of {strike.target}"
        end_s = strike.fired_s if strike.healed_s is None else strike.healed_s
        may_be = Write(strike.fired_s, end_s, sure=False, value=ANYTHING, by=by)
        whom, _, name = strike.target.partition(" ")
        if whom == "guest":
            for what in ("running", "paused", "pid"):
                yield ("guests", name, what), may_be
        if "boot" in strike.kind:
            certain = set(_ended_for_certain(first, last))
            for look in (first, last):
                for kind, rows in () if look is None else look.objects.items():
                    ended = {fact for key, row in rows.items() for fact in _ended_by_boot(kind, key, row)}
                    yield from ((fact, may_be) for fact in ended - certain)
            gone = Write(strike.fired_s, strike.fired_s, sure=True, value=False, by=by)
            yield from ((fact, gone) for fact in certain)


def _ended_for_certain(first: Look | None, last: Look) -> Iterator[Fact]:
    """What no boot brings back: what is ephemeral, and what has no autostart, neither before nor after."""
    for kind in last.objects:
        # What is gone is in the earlier look only.
        rows = {**({} if first is None else first.objects.get(kind, {})), **last.objects[kind]}
        for key, row in rows.items():
            earlier = row if first is None else first.objects.get(kind, {}).get(key, row)
            if _is_ephemeral(kind, row):
                yield kind, key, "there"
            elif kind in STARTED_AT_BOOT and not row.get("autostart", True) and not earlier.get("autostart", True):
                yield kind, key, STARTED_AT_BOOT[kind]


def _is_ephemeral(kind: str, row: Mapping[str, Any]) -> bool:
    return kind == "secrets" and bool(row.get("ephemeral"))


def _ended_by_boot(kind: str, key: str, row: Mapping[str, Any]) -> list[Fact]:
    if kind == "secrets":
        return [(kind, key, what) for what in WHATS[kind] if what != "there"] if _is_ephemeral(kind, row) else []
    if kind in {"pools", "guests"}:
        transient = ("persistent",) if not row.get("persistent", True) else ()
        return [(kind, key, what) for what in (*LIVE, *transient) if what in WHATS[kind]]
    return []
