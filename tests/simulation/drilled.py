"""One and the same drill, in the simulation: its faults strike the fake world, and the same judges see the history.

What the simulation has: workers, the host, time. What it has not: wires, files, processes. A fault aimed at those does not fire,
and says so. Drivers answer without content, and keep what was acknowledged in a fake state; probes ask whether they answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING, Any, Final

from tests.simulation.body import LIMITS_S
from tests.simulation.client import FakeClient, FakeState
from tests.simulation.strikes import STRIKES, NotInSimulation
from tests.simulation.world import World
from tierhost.drills.history import History, Journaled, Look, Probed, Strike
from tierhost.drills.plan import Ask
from tierhost.drills.points import text_of
from tierhost.host.core import commands, events
from tierhost.host.core.lifecycle import CALLABLE, Phase
from tierhost.host.core.spec import DriverSpec
from tierhost.host.core.supervisor import Supervisor

if TYPE_CHECKING:
    from tests.simulation.body import FakeWorker
    from tierhost.drills.plan import Drill, Fault
    from tierhost.host.core.events import Event
    from tierhost.host.core.promises import Breach

TIERS: Final = {"secret": "libvirt", "storage": "libvirt", "qemu": "hypervisor"}
SETTLE_S: Final = 12.0
REACH_S: Final = 15.0
AGAIN_S: Final = 0.005
"""A fault that finds nobody looks again, for so long: the next life may be on its way."""

QUIET_S: Final = 0.5
"""So long the load runs before the first fault, as a control, and after the last."""


@dataclass(slots=True)
class DrilledWorld(World):
    """A world in which one drill is run. A breach does not stop it: judging is the judges' affair."""

    breaches: list[str] = field(default_factory=list)
    armed_points: list[Armed] = field(default_factory=list)
    state: FakeState = field(default_factory=FakeState)
    _read: int = 0

    def broken(self, breach: Breach) -> None:
        """Keep it as a note."""
        if breach.text not in self.breaches:
            self.breaches.append(breach.text)

    def tell(self, event: Event) -> None:
        """Tell the core, and let faults strike that wait for a phase."""
        if isinstance(event, events.VerbReported) and (event.driver, event.verb) == ("storage", "state_auto_start"):
            self.state.auto_start()
        World.tell(self, event)
        facts = self.noted or []
        fresh, self._read = facts[self._read :], len(facts)
        for _, fact in fresh:
            if isinstance(fact, commands.PublishPhase):
                for armed in list(self.armed_points):
                    point = armed.fault.point
                    if point.kind == "phase" and (point.driver, point.phase) == (fact.driver, fact.phase):
                        self.later(0.0, armed.go)

    def serving(self, driver: str) -> FakeWorker | None:
        """Return the life that answers calls now, if there is one."""
        body = self.bodies.get(driver)
        phase = self.shown.get(driver, Phase.DORMANT)
        if body is None or not body.alive or body.silent_since_s is not None or not body.finished:
            return None
        return body if phase in CALLABLE or phase is Phase.ADOPTING else None


@dataclass(slots=True)
class Armed:
    """A fault of the plan that waits for its point, and what became of it."""

    world: DrilledWorld
    number: int
    fault: Fault
    target: str
    client: FakeClient
    strike: Strike
    seen: int = 0
    until_s: float = 0.0

    def go(self) -> None:
        """Strike, once."""
        if self not in self.world.armed_points:
            return
        self.until_s = self.until_s or self.world.now_s + REACH_S
        try:
            proof = self._act()
        except NotInSimulation as error:
            self.world.armed_points.remove(self)
            self.strike = replace(self.strike, proof=str(error))
            return
        if not proof and self.world.now_s < self.until_s:
            self.world.later(AGAIN_S, self.go)
            return
        self.world.armed_points.remove(self)
        if not proof:
            self.strike = replace(self.strike, proof="found nobody to strike")
            return
        healed_s = self.world.now_s + float(self.fault.options.get("heal_after_s", 0.0))
        self.strike = replace(self.strike, proof=proof, fired_s=self.world.now_s, healed_s=healed_s)

    def _act(self) -> str:
        act = STRIKES.get(self.fault.kind)
        if act is None:
            raise NotInSimulation(f"the simulation has no fault {self.fault.kind!r}")
        return act(self.world, self.client, self.target)

    def called(self, ask: Ask) -> None:
        """Hear of one of the drill's own calls, just before it is made."""
        point = self.fault.point
        if point.kind == "call" and ask.method.partition(".")[0] == point.driver:
            self.seen += 1
            if self.seen == point.ordinal:
                self.world.later(0.001, self.go)


def run_drill(drill: Drill, seed: int, core_class: type[Supervisor] = Supervisor) -> History:
    """Run a drill once; the same seed tells the same story."""
    specs = [DriverSpec(name, tier, limits_s=LIMITS_S) for name, tier in TIERS.items()]
    tiers = tuple(dict.fromkeys(TIERS.values()))
    world = DrilledWorld(Random(seed), specs, tiers, flat=False, core_class=core_class, noted=[])
    world.run_until(world.now_s + SETTLE_S)
    client = FakeClient(world, world.serving, world.state)
    began_s = world.now_s
    looks, probes = [_look(world, client, "before")], _probe(world, client, drill, "before")
    armed = _arm(world, client, drill, seed)
    client.load(drill.load.asks, drill.load.per_second)
    for each in armed:
        if each.fault.point.kind == "time":
            world.later(QUIET_S + each.fault.point.after_s, each.go)
    world.run_until(world.now_s + QUIET_S)
    for ask in drill.asks:
        for each in armed:
            each.called(ask)
        client.make(ask)
        world.run_until(world.now_s + 0.02)
    last_s = max((each.fault.point.after_s for each in armed), default=0.0)
    world.run_until(world.now_s + last_s + SETTLE_S)
    client.stop()
    world.run_until(world.now_s + SETTLE_S)
    probes += _probe(world, client, drill, "after")
    looks.append(_look(world, client, "after"))
    return History(
        drill=drill.name,
        target="simulation",
        seed=seed,
        began_s=began_s,
        ended_s=world.now_s,
        calls=tuple(client.calls.values()),
        strikes=tuple(each.strike for each in armed),
        journal=tuple(_line(at_s, fact) for at_s, fact in world.noted or []),
        looks=tuple(looks),
        notes=tuple(world.breaches),
        probes=tuple(probes),
    )


def _arm(world: DrilledWorld, client: FakeClient, drill: Drill, seed: int) -> list[Armed]:
    choice = Random(seed)
    for number, fault in enumerate(drill.faults, 1):
        target = choice.choice(sorted(TIERS)) if fault.target == "any worker" else fault.target
        point = text_of(fault.point)
        never = Strike(number, fault.kind, target, point, proof=f"{point} was not reached")
        world.armed_points.append(Armed(world, number, fault, target, client, never))
    return list(world.armed_points)


def _probe(world: DrilledWorld, client: FakeClient, drill: Drill, label: str) -> list[Probed]:
    found = []
    for probe in drill.steady:
        number = client.make(Ask(probe.method, probe.args, 5.0), load=True)
        world.run_until(world.now_s + 5.5)
        outcome = client.calls[number].outcome
        text = f"{outcome}; the simulation answers without content"
        found.append(Probed(label, probe.title, outcome == "answered", text, world.now_s))
    return found


def _look(world: DrilledWorld, client: FakeClient, label: str) -> Look:
    rows = [
        {"name": view.name, "tier": view.tier, "required": view.required, "incarnation": view.incarnation}
        for view in world.core.drivers()
    ]
    bodies = [
        {"pid": 1000 * number + body.incarnation, "start": body.incarnation, "argv": [], "role": body.driver}
        for number, body in enumerate(world.bodies.values(), 1)
        if body.alive
    ]
    kernel: dict[str, list[Any]] = {
        "processes": bodies,
        "guests": client.state.guests(),
        "mounts": [],
        "loops": [],
        "sockets": [],
        "files": [],
    }
    status = {"tiers": [{"name": name} for name in world.tiers], "drivers": rows}
    return Look(world.now_s, label, client.state.shown(), kernel, status)


def _line(at_s: float, fact: Any) -> Journaled:
    return Journaled(at_s, type(fact).__name__, {name: getattr(fact, name) for name in fact.__dataclass_fields__})
