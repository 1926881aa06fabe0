"""One seed: a site, faults for a while, then quiet, then a shutdown; a summary, or the breach that was found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Final

from tests.simulation import faults
from tests.simulation.body import LIMITS_S
from tests.simulation.stage import Broken
from tests.simulation.world import World
from tierhost.host.core import events
from tierhost.host.core.promises import INVARIANTS, Breach
from tierhost.host.core.spec import DriverSpec
from tierhost.host.core.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierhost.host.core.lifecycle import Phase

STRIKES_PER_SEED: Final = 250
SETTLE_S: Final = 60.0
"""Longer than every limit of the fake site on the way from a dead body to the top tier, several times over."""

SHUTDOWN_S: Final = 60.0


@dataclass(slots=True)
class Summary:
    """What a run of many seeds amounts to."""

    seeds: int = 0
    events: int = 0
    checks: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    moves: Counter[tuple[Phase, Phase]] = field(default_factory=Counter)

    def add(self, world: World) -> None:
        """Count what one seed amounted to."""
        self.seeds += 1
        self.events += world.events_told
        self.checks += world.checks + world.judge.checks
        self.faults.update(world.faults)
        self.moves.update(world.moves)

    def struck(self) -> int:
        """How many faults struck so far."""
        return self.faults.total()

    def __str__(self) -> str:
        return f"{self.struck():,} faults in {self.events:,} events of {self.seeds:,} seeds, judged by {self.checks:,} checks"


def make_world(seed: int, core_class: type[Supervisor] = Supervisor) -> World:
    """Grow a site from a seed: one to three tiers, a few drivers in each, most of them required."""
    random = Random(seed)  # the point is that it repeats
    tiers = tuple(f"tier{number}" for number in range(random.choice((1, 2, 2, 3))))
    specs = [
        DriverSpec(f"d{number}", random.choice(tiers), required=random.random() < 0.75, limits_s=LIMITS_S)
        for number in range(random.randrange(2, 7))
    ]
    # Slow verbs let faults strike between two of them, and while they run.
    pace = random.choice((20.0, 20.0, 1.0))
    return World(random, specs, tiers, flat=random.random() < 0.05, verbs_per_s=pace, core_class=core_class)


def run_seed(seed: int, *, strikes: int = STRIKES_PER_SEED, core_class: type[Supervisor] = Supervisor) -> World:
    """Run one seed to its end. Raises Broken with the trace when an invariant does not hold."""
    world = make_world(seed, core_class)
    for _ in range(strikes):
        world.run_until(world.now_s + world.random.expovariate(2.5))
        if world.ended:
            return world
        faults.strike(world)
    _settle(world)
    _shut_down(world)
    return world


def _settle(world: World) -> None:
    """No new faults; a person releases whoever is down, in most seeds."""
    world.armed.clear()
    for body in world.bodies.values():
        body.hard_to_kill_s = min(body.hard_to_kill_s, 1.0)
    world.run_until(world.now_s + SETTLE_S)
    if not world.stopping:
        world.judge.has_settled(world.now_s)
    if world.random.random() < 0.8 and not world.stopping:
        for spec in world.specs:
            world.tell(events.ReleaseAsked(spec.name))
        world.run_until(world.now_s + SETTLE_S)
        world.judge.has_settled(world.now_s)
    if world.judge.breaches:
        world.broken(world.judge.breaches[0])


def _shut_down(world: World) -> None:
    """The host ends, with a few faults on the way."""
    before = world.refused
    if world.random.random() < 0.5:
        world.tell(events.ShutdownAsked(save=False, force=False))
    if world.refused > before or not world.core.is_stopping():
        world.tell(events.ShutdownAsked(save=world.random.random() < 0.5, force=True))
    world.stopping = True
    for _ in range(world.random.randrange(4)):
        world.run_until(world.now_s + world.random.uniform(0.0, 0.3))
        driver = world.random.choice(world.specs).name
        hit = world.random.choice(
            (faults.crash, faults.hang, faults.nonsense, faults.stale, faults.arm, faults.restart, faults.release)
        )
        if not world.ended and hit(world, driver):
            world.faults[f"{hit.__name__} during shutdown"] += 1
    world.run_until(world.now_s + SHUTDOWN_S)
    if not world.ended:
        world.broken(Breach("end", world.now_s, "the host does not end"))


def run_from(first_seed: int, faults_min: int, core_class: type[Supervisor] = Supervisor) -> Iterator[Summary]:
    """Run seed after seed until so many faults have struck; the same summary is shown again after each.

    Raises Broken at the first breach; its text says which seed it was, which promise, and how to see it again.
    """
    summary = Summary()
    for seed in count(first_seed):
        try:
            summary.add(run_seed(seed, core_class=core_class))
        except Broken as broken:
            name = broken.breach.invariant
            promise = f"seed {seed} broke {name!r}: {INVARIANTS.get(name, 'the core never raises')}"
            raise Broken(broken.breach, f"{promise}\n{broken}\nreplay with: make simulate SEED={seed} N=1") from broken
        yield summary
        if summary.struck() >= faults_min:
            return
