"""The blast-radius matrix as values: what one cell saw, how a call's end is classed, and what it all comes to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FAULTS: Final = ("kill", "stop", "slow", "garbage", "damaged-state")
LATE_S: Final = 1.0
"""An answer so long after its deadline is beyond it: the machine may have had other things to do."""

NOTHING_DONE: Final = frozenset({"PeerDied", "PeerAbsent", "Busy"})
"""Errors that promise that nothing of the request was done."""

NOBODY_KNOWS: Final = frozenset({"OutcomeUnknown"})
LATE: Final = "DeadlineExceeded"


class Ending(IntEnum):
    """How a call ended; the larger is the worse, and from HANG on the bar is missed."""

    RIGHT = 0
    REFUSED = 1
    HANG = 2
    WRONG = 3


WORDS: Final = {Ending.RIGHT: "right", Ending.REFUSED: "typed error", Ending.HANG: "hang", Ending.WRONG: "wrong answer"}


@dataclass(frozen=True, slots=True)
class Told:
    """One call as it was seen: its answer in plain words or the kind of its error, how long it took, and how long it might."""

    answer: str = ""
    error: str = ""
    text: str = ""
    took_s: float = 0.0
    deadline_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Views:
    """The objects of a call: before it, after it, and what they are after the same call undisturbed."""

    before: str = ""
    after: str = ""
    goal: str = ""


def ending(told: Told, right: str) -> Ending:
    """Class a call that changes nothing; `right` is its answer in quiet times.

    A call that ends with its deadline has hung: deadlines here are many times what any answer takes.
    """
    if told.error == LATE or told.took_s > told.deadline_s + LATE_S:
        return Ending.HANG
    if told.error:
        return Ending.REFUSED
    return Ending.RIGHT if told.answer == right else Ending.WRONG


def ending_of_change(told: Told, right: str, views: Views) -> Ending:
    """Class a change: what was acknowledged must be there, what was not is complete or absent, "nothing done" is true."""
    plain = ending(told, right)
    if plain is Ending.RIGHT and views.after != views.goal:
        return Ending.WRONG
    if plain is Ending.REFUSED:
        allowed = {views.before} if told.error in NOTHING_DONE else {views.before, views.goal}
        return Ending.REFUSED if views.after in allowed else Ending.WRONG
    return plain


@dataclass(frozen=True, slots=True)
class Onlooking:
    """What calls of one other driver saw meanwhile: how many, how they ended at worst, the longest, and the first error."""

    driver: str
    calls: int
    worst: Ending
    longest_s: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """One operation under one fault. `hit`: the fault fell into the call. `lives` of the victim and `others` lost one."""

    driver: str
    operation: str
    fault: str
    fired: bool
    proof: str = ""
    hit: bool = False
    ending: Ending = Ending.RIGHT
    told: Told = Told()
    lives: int = 0
    others: tuple[str, ...] = ()
    onlookers: tuple[Onlooking, ...] = ()
    trouble: str = ""

    @property
    def suffered(self) -> tuple[str, ...]:
        """Other drivers whose calls were not all answered right, or that lost a life."""
        return tuple(sorted({one.driver for one in self.onlookers if one.worst is not Ending.RIGHT} | set(self.others)))

    @property
    def worst(self) -> Ending:
        """How the worst of its calls ended, whoever was asked."""
        return max([self.ending, *(one.worst for one in self.onlookers)])

    @property
    def keeps_the_bar(self) -> bool:
        """No call hung, none was answered wrongly, and it is known that the fault fired."""
        return self.fired and not self.trouble and self.worst < Ending.HANG


def summary(cells: Sequence[Cell], took_s: float) -> dict[str, Any]:
    """What it comes to, in figures: by driver and fault, and in all."""
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.driver, cell.fault), []).append(cell)
    rows = [{"driver": driver, "fault": fault, **_counted(some)} for (driver, fault), some in groups.items()]
    per_second = round(len(cells) / took_s, 2) if took_s else 0.0
    return {**_counted(cells), "took_s": round(took_s, 1), "cells_per_second": per_second, "by_driver_and_fault": rows}


def _counted(cells: Sequence[Cell]) -> dict[str, Any]:
    by_ending = Counter(WORDS[cell.worst] for cell in cells if cell.fired and not cell.trouble)
    asked = [one for cell in cells for one in cell.onlookers]
    return {
        "cells": len(cells),
        "fired": sum(cell.fired for cell in cells),
        "hit": sum(cell.hit for cell in cells),
        **{word: by_ending[word] for word in WORDS.values()},
        "unknown": sum(not cell.fired or bool(cell.trouble) for cell in cells),
        "calls_of_others": sum(one.calls for one in asked),
        "others_suffered": sum(bool(cell.suffered) for cell in cells),
        "longest_s": round(max([cell.told.took_s for cell in cells], default=0.0), 3),
        "longest_of_others_s": round(max([one.longest_s for one in asked], default=0.0), 3),
    }


HEADS: Final = ("driver", "fault", "cells", "hit", *WORDS.values(), "unknown", "longest", "others suffered", "their longest")


def table(cells: Sequence[Cell], took_s: float) -> list[str]:
    """The table: a row for each driver and fault, then every cell in which not all was right."""
    whole = summary(cells, took_s)
    rows = [HEADS]
    for row in [*whole["by_driver_and_fault"], {**whole, "driver": "all", "fault": ""}]:
        ends = [str(row[word]) for word in WORDS.values()]
        times = [f"{row[key] * 1000:.0f} ms" for key in ("longest_s", "longest_of_others_s")]
        counts = [str(row["cells"]), str(row["hit"]), *ends, str(row["unknown"]), times[0], str(row["others_suffered"]), times[1]]
        rows.append((row["driver"], row["fault"], *counts))
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return [*lines, *_told(cells)]


def _told(cells: Iterable[Cell]) -> list[str]:
    lines = []
    for cell in cells:
        if cell.trouble or not cell.fired:
            lines.append(f"unknown: {cell.operation} x {cell.fault}: {cell.trouble or cell.proof or 'it did not fire'}")
            continue
        if cell.ending is not Ending.RIGHT:
            what = f"{cell.told.error} {cell.told.text}" if cell.told.error else cell.told.answer
            lines.append(f"{WORDS[cell.ending]}: {cell.operation} x {cell.fault}, {cell.told.took_s * 1000:.0f} ms: {what:.300}")
        lines += [
            f"{WORDS[one.worst]} of {one.driver}: {cell.operation} x {cell.fault}: {one.error:.300}"
            for one in cell.onlookers
            if one.worst is not Ending.RIGHT
        ]
        lines += [f"another life was lost: {name}: {cell.operation} x {cell.fault}" for name in cell.others]
    return lines
