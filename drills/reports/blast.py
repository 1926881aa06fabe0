"""The blast radius as a table: what each fault did to each operation, counted over all runs of a report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tierhost.drills.history import ANSWERED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tierhost.drills.history import Call
    from tierhost.drills.reports.results import Trial

UNHARMED: Final = "unharmed"
SLOWED: Final = "slowed"
REFUSED: Final = "typed error"
HUNG: Final = "hang"
NEVER: Final = "not asked"
SLOW_S: Final = 1.0
GRACE_S: Final = 1.0


@dataclass(slots=True)
class Cell:
    """Calls of one operation that were under way at or after one fault."""

    calls: int = 0
    failed: int = 0
    hung: int = 0
    slowest_s: float = 0.0
    kinds: dict[str, int] = field(default_factory=dict)

    @property
    def word(self) -> str:
        """The worst that happened, in a word or two."""
        if self.hung:
            return HUNG
        if self.failed:
            return REFUSED
        if not self.calls:
            return NEVER
        return SLOWED if self.slowest_s > SLOW_S else UNHARMED

    def add(self, call: Call) -> None:
        """Count a call."""
        self.calls += 1
        took_s = None if call.end_s is None else call.end_s - call.begin_s
        if took_s is None or took_s > call.deadline_s + GRACE_S:
            self.hung += 1
        self.slowest_s = max(self.slowest_s, took_s or 0.0)
        if call.outcome != ANSWERED:
            self.failed += 1
            kind = call.kind or "no answer"
            self.kinds[kind] = self.kinds.get(kind, 0) + 1


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows are operations, columns are faults ("kill of storage")."""

    operations: tuple[str, ...]
    faults: tuple[str, ...]
    cells: dict[tuple[str, str], Cell]

    def cell(self, operation: str, fault: str) -> Cell:
        """One cell, perhaps an empty one."""
        return self.cells.get((operation, fault), Cell())


def matrix(trials: Iterable[Trial]) -> Matrix:
    """Count. A call belongs to the latest fault that had fired before it ended; without one it belongs to none."""
    cells: dict[tuple[str, str], Cell] = {}
    operations: dict[str, None] = {}
    faults: dict[str, None] = {}
    for trial in trials:
        fired = sorted(
            (strike.fired_s, f"{strike.kind} of {strike.target}") for strike in trial.history.strikes if strike.fired_s
        )
        faults.update(dict.fromkeys(name for _, name in fired))
        for call in trial.history.calls:
            operations[call.method] = None
            before = [name for at_s, name in fired if call.end_s is None or at_s <= call.end_s]
            if before:
                cells.setdefault((call.method, before[-1]), Cell()).add(call)
    return Matrix(tuple(sorted(operations)), tuple(faults), cells)
