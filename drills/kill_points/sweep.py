"""The sweep: one drill for each point of each operation, on a warm host that is thrown away when something went wrong on it."""

from __future__ import annotations

import random
import time
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tierhost.drills.kill_points import host_trials
from tierhost.drills.kill_points.host_lighting import HostAtSystemCalls
from tierhost.drills.kill_points.host_trials import HostOperation, HostTrials
from tierhost.drills.kill_points.judging import judge
from tierhost.drills.kill_points.ledger import Judged
from tierhost.drills.kill_points.lighting import AtSystemCalls
from tierhost.drills.kill_points.site import Site
from tierhost.drills.kill_points.trial import Trials
from tierhost.drills.launcher.points import Chosen
from tierhost.drills.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tierhost.drills.kill_points.ledger import Ledger
    from tierhost.drills.kill_points.operation import Operation

ATTEMPTS_MAX: Final = 3
"""A line that only a race leads to may not be reached at once."""


@dataclass(frozen=True, slots=True)
class Share:
    """Which part of the points this sweep is about: shard `number` of `count`, and a sample of so many, or all."""

    number: int = 1
    count: int = 1
    sample: int = 0
    seed: int = 0

    def of(self, operation: str, points: list[str], *, position: int, operations: int) -> list[str]:
        """Choose this share of one operation's points; operation number `position` of so many."""
        mine = [point for point in points if zlib.crc32(f"{operation} {point}".encode()) % self.count == self.number - 1]
        if not self.sample:
            return mine
        quota = self.sample // operations + (position < self.sample % operations)
        chance = random.Random(f"{self.seed} {operation}")  # noqa: S311  # it is to repeat
        return [mine[index] for index in sorted(chance.sample(range(len(mine)), min(quota, len(mine))))]


@dataclass(slots=True)
class Sweep:
    """One run over some operations."""

    ledger: Ledger
    operations: tuple[Operation, ...]
    share: Share
    tell: Callable[[str], None]
    at_system_calls: bool = False
    wanted: dict[str, list[str]] = field(default_factory=dict)
    tried: int = 0
    took_s: float = 0.0
    _site: Site | None = None
    _trials: Trials | HostTrials | None = None
    _kind: tuple[tuple[str, ...], bool, bool] = ((), False, False)

    def run(self) -> None:
        """Find, strike, judge; what is on record already is left out. Raises TierhostError if an operation does not work."""
        chosen = Chosen()
        try:
            for position, operation in enumerate(self.operations):
                self.ledger.refresh()
                known = operation.name in self.ledger.found
                if not known:
                    self.ledger.has_found(operation.name, self._fresh(operation).count(operation))
                points = chosen.choose(self.ledger.found[operation.name], driver=operation.driver, method=operation.method)
                mine = self.share.of(operation.name, points, position=position, operations=len(self.operations))
                self.wanted[operation.name] = mine
                self._strike(operation, mine, counted=not known)
        finally:
            self.close()

    def _strike(self, operation: Operation, points: Iterable[str], *, counted: bool) -> None:
        open_points = [point for point in points if self._is_open(operation.name, point)]
        began_s, bad = time.monotonic(), 0
        for point in open_points:
            if not counted:
                self._fresh(operation).count(operation)
                counted = True
            one = self._try(operation, point)
            self.ledger.has_judged(one)
            if one.verdict != Verdict.HELD.name:
                bad += 1
                self.tell(f"{one.verdict} {operation.name} at {point}: {one.text}")
                self.close()
                counted = False
        took_s = time.monotonic() - began_s
        self.tried += len(open_points)
        self.took_s += took_s
        if open_points:
            self.tell(f"{operation.name}: {len(open_points)} points, {len(open_points) / took_s:.1f} a second, {bad} not held")

    def _is_open(self, operation: str, point: str) -> bool:
        """Whether it was never tried, or not reached: that is worth another try."""
        one = self.ledger.judged.get((operation, point))
        return one is None or not one.fired

    def _try(self, operation: Operation, point: str) -> Judged:
        began_s = time.monotonic()
        trial = self._fresh(operation).run(operation, point)
        for attempt in range(2, ATTEMPTS_MAX + 1):
            if trial.fired:
                break
            if trial.trouble:
                self.close()
            self._again(operation)
            began_s = time.monotonic()
            trial = self._fresh(operation).run(operation, point, rested=attempt == ATTEMPTS_MAX and not self.at_system_calls)
        return Judged.of(trial, operation.driver, judge(trial), time.monotonic() - began_s)

    def _again(self, operation: Operation) -> None:
        """A point that was not reached is tried again in a life that has done nothing yet."""
        known = self._trials is not None
        trials = self._fresh(operation)
        if not known:
            trials.count(operation)
        elif isinstance(trials, Trials):
            trials.site.client.host("worker_restart", operation.driver)
            trials.site.wait_ready()

    def _fresh(self, operation: Operation) -> Trials | HostTrials:
        """The warm site; a new one, where there is none, or one for other victims, or the last is no longer to be trusted."""
        of_host = isinstance(operation, HostOperation)
        kind = (operation.drivers, operation.netns, of_host)
        if self._kind != kind:
            self.close()
        if self._trials is None:
            self._trials, self._kind = self._make(operation, of_host=of_host), kind
        return self._trials

    def _make(self, operation: Operation, *, of_host: bool) -> Trials | HostTrials:
        if of_host:
            self._site = Site.make(host_trials.DRIVERS, spares=1, asker=False)
        else:
            self._site = Site.make(operation.drivers, netns=operation.netns)
        if of_host:
            trials = HostTrials(self._site, HostAtSystemCalls(self._site) if self.at_system_calls else None)
            trials.set_up()
            return trials
        self._site.start()
        return Trials(self._site, AtSystemCalls(self._site) if self.at_system_calls else None)

    def close(self) -> None:
        """Throw the site away."""
        if self._site is not None:
            self._site.close()
        self._site = self._trials = None
