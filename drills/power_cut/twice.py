"""The second power cut: the restart after the first one is recorded in its turn, and cut while it writes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.power_cut.crashes import Crash, crashes
from tierhost.drills.power_cut.operations import Said

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

    from tierhost.drills.power_cut.judging import Allowed
    from tierhost.drills.power_cut.operations import Operation
    from tierhost.drills.power_cut.recording import Recording

CUTS_MAX: Final = 24
"""So many cuts of one restart, spread evenly: a start that mends and moves boots does a few dozen things."""


@dataclass(slots=True)
class Sample:
    """So many first cuts, each as likely as any other (reservoir sampling): nobody knows beforehand how many there will be."""

    size: int
    chance: random.Random
    seen: int = 0
    kept: list[tuple[Crash, Allowed]] = field(default_factory=list)

    def offer(self, crash: Crash, allowed: Allowed) -> None:
        """Take it in, in place of another where there is no room; or not."""
        self.seen += 1
        if len(self.kept) < self.size:
            self.kept.append((crash, allowed))
            return
        place = self.chance.randrange(self.seen)
        if place < self.size:
            self.kept[place] = crash, allowed


def second_cuts(first: Crash, allowed: Allowed, recovery: Recording, seed: int) -> Iterator[tuple[Crash, Allowed]]:
    """Yield the disks that a cut of this recovery may leave, with what may be found there.

    Until the recovery has said what is there, it is what the first cut allowed; from then on it is what was said, and no more.
    """
    operations = recovery.operations
    said_at, shown = _word(operations)
    settled = replace(allowed, title=f"{allowed.title}; recovered", old=shown, new=shown) if shown is not None else allowed
    every = -(-len(operations) // CUTS_MAX) or 1
    for crash in crashes(operations, recovery.begin, seed, every):
        kept = f"{first.kept}; cut again after {crash.cut} operations of the restart, kept: {crash.kept}"
        yield Crash(first.cut, kept, crash.disk), settled if crash.cut > said_at else allowed


def _word(operations: Sequence[Operation]) -> tuple[int, dict[str, Any] | None]:
    for at, one in enumerate(operations):
        if isinstance(one, Said):
            rows: dict[str, Any] = json.loads(one.text)["rows"]
            return at, rows
    return len(operations), None
