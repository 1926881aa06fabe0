"""The same schedule again and again: how often it fails, and its smallest part that still does."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tierhost.drills.shrinking import shrunk
from tierhost.drills.verdicts import Verdict

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from tierhost.drills.plan import Ask, Drill, Fault
    from tierhost.drills.stored import Stored


@dataclass(frozen=True, slots=True)
class Tally:
    """How so many runs of one schedule ended."""

    times: int
    verdicts: Counter[Verdict]

    @property
    def text(self) -> str:
        """In one sentence."""
        unknown = self.verdicts[Verdict.UNKNOWN]
        more = f", nobody knows of {unknown}" if unknown else ""
        return f"fails {self.verdicts[Verdict.BROKEN]} of {self.times}{more}"

    @property
    def verdict(self) -> Verdict:
        """The worst of them."""
        return max(self.verdicts, default=Verdict.UNKNOWN)


def fails_as(run: Stored, checkers: frozenset[str]) -> bool:
    """Whether a run broke what the first one broke: another failure is another matter."""
    return any(finding.verdict is Verdict.BROKEN and finding.checker in checkers for finding in run.findings)


def broken_in(run: Stored) -> frozenset[str]:
    """Names of the judges that said BROKEN."""
    return frozenset(finding.checker for finding in run.findings if finding.verdict is Verdict.BROKEN)


@dataclass(slots=True)
class Shrinking:
    """Shrinks one drill. `run` runs a drill once; a part counts as failing if one of `tries` runs fails as the first did."""

    drill: Drill
    checkers: frozenset[str]
    run: Callable[[Drill], Stored]
    tries: int
    deadline_s: float
    tell: Callable[[str], None]
    runs: int = 0
    last: list[Stored] = field(default_factory=list)
    cut_short: bool = False

    def smallest(self) -> Drill:
        """Return the smallest drill found that still fails. When the time is over: the smallest until then."""
        faults, asks = shrunk(self.drill.faults, self.drill.asks, self._fails)
        return replace(self.drill, faults=faults, asks=asks)

    def _fails(self, faults: tuple[Fault, ...], asks: tuple[Ask, ...]) -> bool:
        drill = replace(self.drill, faults=faults, asks=asks)
        for _ in range(self.tries):
            if time.monotonic() > self.deadline_s:
                self.cut_short = True
                return False
            self.runs += 1
            done = self.run(drill)
            if fails_as(done, self.checkers):
                self.last = [done]
                self.tell(f"still fails with {len(faults)} faults and {len(asks)} calls")
                return True
        self.tell(f"does not fail with {len(faults)} faults and {len(asks)} calls")
        return False
