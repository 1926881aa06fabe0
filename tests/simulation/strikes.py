"""Kinds of faults of a drill, as far as the simulation can do them; each returns its proof, or nothing if it found nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.simulation import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.client import FakeClient
    from tests.simulation.drilled import DrilledWorld

AWAY_S: Final = 1.5
"""So long a stopped host does nothing. The simulation has one clock: clients do nothing meanwhile, either."""


ABSENT: Final = frozenset({"zygote", "spares"})


class NotInSimulation(Exception):
    """Raised when a fault is aimed at what the simulation has not: it does not fire, and the run is no evidence."""


def kill(world: DrilledWorld, client: FakeClient, target: str) -> str:
    """SIGKILL."""
    if target == "host":
        world.new_host()
        return "the host ended, and the next one started"
    if target in ABSENT:
        raise NotInSimulation(f"the simulation has no {target}")
    if target == "everything":
        struck = [body.driver for body in list(world.bodies.values()) if faults.crash(world, body.driver)]
        world.bodies.clear()
        world.new_host()
        return f"the host and {', '.join(struck)} ended"
    if target.startswith("guest "):
        return client.state.end_guest(target.removeprefix("guest "))
    return f"life of {target} ended by signal 9" if faults.crash(world, target) else ""


def stop(world: DrilledWorld, client: FakeClient, target: str) -> str:
    """SIGSTOP, and nobody continues it in time."""
    if target == "host":
        world.away_until_s = world.now_s + AWAY_S
        return f"the host does nothing for {AWAY_S:g} s"
    if target == "everything":
        struck = [driver for driver in list(world.bodies) if faults.stop(world, driver)]
        return f"{', '.join(struck)} stopped" if struck else ""
    if target in ABSENT or target == "guests" or target.startswith("guest "):
        raise NotInSimulation(f"the simulation cannot stop {target}")
    return f"{target} stopped" if faults.stop(world, target) else ""


def reboot(world: DrilledWorld, client: FakeClient, target: str) -> str:
    """Everything ends, and another boot begins."""
    world.bodies.clear()
    world.boot.clear()
    world.used.clear()
    client.state.boot()
    world.new_host()
    return "nobody is left, and the next boot has begun"


STRIKES: Final[dict[str, Callable[[DrilledWorld, FakeClient, str], str]]] = {"kill": kill, "stop": stop, "reboot": reboot}
