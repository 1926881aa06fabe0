"""What a restart after a power cut may show: all that was acknowledged, and of the change under way everything or nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.power_cut.operations import Said
from tierhost.drills.power_cut.subjects import TROUBLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierhost.drills.power_cut.operations import Operation
    from tierhost.drills.power_cut.subjects import Rows

FAILED: Final = "it did not start"
"""The row that a restart has which raised."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What was acknowledged before the cut, and what the change under way would make of it (the same, if there was none).

    `past` is what was acknowledged earlier and is out of date: a row from there is an acknowledged change that was lost.
    """

    step: int
    title: str
    old: Rows
    new: Rows
    past: tuple[Rows, ...] = ()


@dataclass(frozen=True, slots=True)
class Wrong:
    """Why a restart is not right. `lost` rows were acknowledged and are not there; `torn` ones were never, or not together."""

    lost: tuple[str, ...] = ()
    torn: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.lost or self.torn)


@dataclass(slots=True)
class Promises:
    """What the program had said by each point of a recording."""

    snapshots: list[Rows] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    _done_at: list[int] = field(default_factory=list)
    _begun_at: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, operations: Sequence[Operation]) -> Promises:
        """Read a recording."""
        made = cls()
        for at, one in enumerate(operations):
            if not isinstance(one, Said):
                continue
            word: dict[str, Any] = json.loads(one.text)
            if word["said"] == "done":
                made.snapshots.append(word["rows"])
                made._done_at.append(at)
            else:
                made.titles.append(word["title"])
                made._begun_at.append(at)
        return made

    def at(self, cut: int) -> Allowed:
        """Return what may be found after so many operations."""
        done = sum(1 for at in self._done_at if at < cut)
        begun = sum(1 for at in self._begun_at if at < cut)
        # before it said that it had started there was nothing, and starting adds nothing
        old = self.snapshots[max(done - 1, 0)]
        under_way = begun >= max(done, 1) and done < len(self.snapshots)
        title = self.titles[begun - 1] if begun else "the first start"
        return Allowed(begun, title, old, self.snapshots[done] if under_way else old, tuple(self.snapshots[: max(done - 1, 0)]))


def judge(found: Rows, allowed: Allowed) -> Wrong | None:
    """Hold what a restart shows against what it may show."""
    if found in (allowed.old, allowed.new):
        return None
    if FAILED in found:
        return Wrong(lost=(f"everything: {found[FAILED]}",))
    lost, torn = [], []
    for name in sorted({*found, *allowed.old, *allowed.new}):
        value, old, new = found.get(name), allowed.old.get(name), allowed.new.get(name)
        if value in (old, new):
            continue
        if name == TROUBLE:
            lost.append("; ".join(map(str, found[name])))
        elif value is None or any(value == rows.get(name) for rows in allowed.past):
            lost.append(f"{name} is {_told(value)}, and was acknowledged as {_told(old)}")
        else:
            torn.append(f"{name} is {_told(value)}, and was {_told(old)} or became {_told(new)}")
    if not lost and not torn:
        torn.append("a part of the change is there and a part is not")
    return Wrong(tuple(lost), tuple(torn))


def _told(value: Any) -> str:
    return "gone" if value is None else json.dumps(value)[:120]
