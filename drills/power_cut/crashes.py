"""Which disks a power cut may leave behind a recording: every prefix, with what was not synced kept or lost."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tierhost.drills.power_cut.operations import Made, Said, Synced, Written, place_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tierhost.drills.power_cut.disk import Disk
    from tierhost.drills.power_cut.operations import Change, Operation

SECTOR_BYTES: Final = 512
"""A disk writes so much in one step, and no more."""

ALL_CHOICES_MAX: Final = 4
"""Up to so many changes that wait for a sync, every choice among them is tried; above, the corners and a few by chance."""

BY_CHANCE: Final = 4
TEARS_MAX: Final = 8
"""So many ways to tear the last write, spread evenly over its sectors."""


@dataclass(frozen=True, slots=True)
class Crash:
    """One disk after one cut. `cut`: so many operations had happened. `kept` says in words what became of the rest."""

    cut: int
    kept: str
    disk: Disk


@dataclass(slots=True)
class _Pending:
    """What waits for a sync, with its place in the recording."""

    at: int
    change: Change


def crashes(operations: Sequence[Operation], begin: Disk, seed: int = 1, every: int = 1) -> Iterator[Crash]:
    """Yield the disks that cuts may leave, in the order of the cuts; disks that look the same come again and again.

    `begin` was on the disk before. `every` above 1 takes only each so-manyth cut: a sample for those in a hurry.
    The bound: at each cut nothing unsynced, all of it, each single change lost, each single one kept; every choice where
    they are few; some by chance (`seed`) where they are many; and the last write torn at sectors.
    """
    chance = random.Random(seed)  # noqa: S311  # a schedule that must repeat, no secret
    durable = begin.copy()
    pending: list[_Pending] = []
    for cut in range(len(operations) + 1):
        last = operations[cut - 1] if cut else None
        if last is not None:
            pending = _after(durable, pending, last, cut - 1)
        # what the program says changes no disk, but what may be lost from it: the same disks are judged again
        if cut % every == 0 or isinstance(last, Said):
            yield from _at(cut, durable, pending, last, chance)


def _after(durable: Disk, pending: list[_Pending], one: Operation, at: int) -> list[_Pending]:
    if isinstance(one, Made):
        durable.make(one)
    elif isinstance(one, Synced):
        for waiting in pending:
            if place_of(waiting.change) == one.number:
                durable.apply(waiting.change)
        return [waiting for waiting in pending if place_of(waiting.change) != one.number]
    elif not isinstance(one, Said):
        return [*pending, _Pending(at, one)]
    return pending


def _at(cut: int, durable: Disk, pending: list[_Pending], last: Operation | None, chance: random.Random) -> Iterator[Crash]:
    changes = [waiting.change for waiting in pending]
    for chosen in choices(len(changes), chance):
        yield Crash(cut, _words(chosen, pending), _with(durable, [changes[index] for index in chosen]))
    if isinstance(last, Written) and changes and changes[-1] is last:
        for others, kept in (([], "nothing else unsynced"), (changes[:-1], "all that was unsynced")):
            for told, pieces in torn(last):
                yield Crash(cut, f"{kept}, the last write torn: {told}", _with(durable, [*others, *pieces]))


def choices(count: int, chance: random.Random) -> list[tuple[int, ...]]:
    """List which of so many pending changes are kept: all choices if they are few, else the corners and some by chance."""
    everything = tuple(range(count))
    if count <= ALL_CHOICES_MAX:
        return [chosen for size in range(count + 1) for chosen in itertools.combinations(everything, size)]
    found = [(), everything, *((one,) for one in everything)]
    found += [tuple(other for other in everything if other != one) for one in everything]
    found += [tuple(one for one in everything if chance.choice((True, False))) for _ in range(BY_CHANCE)]
    return list(dict.fromkeys(found))


def torn(write: Written) -> Iterator[tuple[str, list[Change]]]:
    """Yield what a cut in the middle of a write may keep of it: its first sectors, or its last ones."""
    end = write.offset + len(write.data)
    borders = range(-(-(write.offset + 1) // SECTOR_BYTES) * SECTOR_BYTES, end, SECTOR_BYTES)
    step = max(1, -(-len(borders) // TEARS_MAX))
    for border in borders[::step]:
        middle = border - write.offset
        yield f"its first {middle} bytes kept", [Written(write.number, write.offset, write.data[:middle])]
        yield f"its first {middle} bytes lost", [Written(write.number, border, write.data[middle:])]


def _with(durable: Disk, changes: Iterable[Change]) -> Disk:
    disk = durable.copy()
    for change in changes:
        disk.apply(change)
    return disk


def _words(chosen: tuple[int, ...], pending: list[_Pending]) -> str:
    if len(chosen) == len(pending):
        return "all that was unsynced" if pending else "everything was synced"
    kept = set(chosen)
    lost = [str(waiting.at) for index, waiting in enumerate(pending) if index not in kept]
    return "nothing unsynced" if not chosen else f"unsynced operations lost: {', '.join(lost)}"
