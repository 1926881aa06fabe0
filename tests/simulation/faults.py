"""The faults of the simulation: each strikes the world once, and is counted when it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.body import POLICY, START_FAULTS, VERB_FAULTS, VERBS, FakeWorker
from tierhost.host.core import events

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.world import World
    from tierhost.host.core.events import Event

SCAN_S = 0.25
ARMED_MAX = 2


def crash(world: World, driver: str) -> bool:
    """Kill a worker."""
    body = world.bodies.get(driver)
    if body is None or not body.born or not body.alive:
        return False
    world.die(body, "signal 9")
    return True


def hang(world: World, driver: str, *, stopped: bool = False, heals_s: float | None = None) -> bool:
    """Let a worker stop beating: stopped by a signal, or in an endless loop; for good or for a moment."""
    body = world.bodies.get(driver)
    if body is None or not body.born or not body.alive or body.silent_since_s is not None:
        return False
    body.silent_since_s, body.stopped = world.now_s, stopped
    body.guilty = body.guilty or heals_s is None
    world.later(0.3, _scan, world, body)
    if heals_s is not None:
        world.later(heals_s, heal, body)
    return True


def heal(body: FakeWorker) -> None:
    """Let a worker go on."""
    body.silent_since_s, body.stopped = None, False


def _scan(world: World, body: FakeWorker) -> None:
    if body.alive and body.silent_since_s is not None and world.bodies.get(body.driver) is body:
        age_s = world.now_s - body.silent_since_s
        world.tell(events.BeatRead(body.driver, body.incarnation, age_s, body.stopped))
        world.later(SCAN_S, _scan, world, body)


def stop(world: World, driver: str) -> bool:
    """SIGSTOP, and nobody continues it."""
    return hang(world, driver, stopped=True)


def slow(world: World, driver: str) -> bool:
    """Starve a worker for less than the host's patience."""
    body = world.bodies.get(driver)
    # A worker that owes an answer would be late with it; that is another fault.
    return body is not None and not body.verb and hang(world, driver, heals_s=world.random.uniform(0.3, POLICY.patience_s * 0.9))


def nonsense(world: World, driver: str) -> bool:
    """Send garbage to the host."""
    body = world.bodies.get(driver)
    if body is None or not body.born or not body.alive:
        return False
    body.guilty = True
    world.tell(events.ProtocolBroken(driver, body.incarnation, "not msgpack"))
    return True


def claim(world: World, driver: str) -> bool:
    """Report a verb that nobody asked for."""
    body = world.bodies.get(driver)
    if body is None or not body.born or not body.alive or body.stopped or body.adopted:
        return False
    verb = world.random.choice([name for name in VERBS if name != body.verb])
    body.guilty = True
    world.tell(events.VerbReported(driver, body.incarnation, verb, "complete", ""))
    return True


def _some_word(world: World, driver: str, incarnation: int) -> Event:
    pick = world.random.choice
    return pick(
        (
            events.WorkerStarted(driver, incarnation, 7),
            events.WorkerStartFailed(driver, incarnation, "old"),
            events.WorkerGreeted(driver, incarnation, pick(("", "state_initialize", "state_auto_start"))),
            events.VerbReported(driver, incarnation, pick(VERBS), pick(("complete", "skipped", "failed")), "old"),
            events.WorkerExited(driver, incarnation, "old"),
            events.WorkerBuried(driver, incarnation),
            events.BeatRead(driver, incarnation, 60.0, stopped=True),
            events.ProtocolBroken(driver, incarnation, "old"),
            events.InhibitChanged(driver, incarnation, held=True, why="old"),
        )
    )


def stale(world: World, driver: str) -> bool:
    """Deliver a word of a life that is over."""
    current = world.core.driver(driver).incarnation
    if current < 2:  # there must have been one before
        return False
    world.tell(_some_word(world, driver, world.random.randrange(1, current)))
    return True


def future(world: World, driver: str) -> bool:
    """Deliver a word of a life that has not begun."""
    world.tell(_some_word(world, driver, world.core.driver(driver).incarnation + world.random.randrange(1, 4)))
    return True


def stranger(world: World, _: str) -> bool:
    """Deliver a word about a driver that does not exist."""
    world.tell(_some_word(world, "nobody", 1))
    return True


def after_death(world: World, driver: str) -> bool:
    """Deliver a word of the latest life once it is buried."""
    if driver in world.bodies:
        return False
    world.tell(_some_word(world, driver, world.core.driver(driver).incarnation))
    return True


def twice(world: World, _: str) -> bool:
    """Deliver the latest word again: a worker that repeats itself, a kernel that reports a death twice."""
    event = world.last_word
    if event is None or isinstance(event, events.BeatRead):
        return False
    body = world.bodies.get(event.driver)  # type: ignore[union-attr]  # only words of lives are kept
    if body is not None and body.incarnation == event.incarnation:  # type: ignore[union-attr]
        if isinstance(event, events.VerbReported) and event.verb == body.verb:
            return False
        if isinstance(event, events.VerbReported | events.WorkerGreeted):
            body.guilty = body.guilty or not body.adopted
    world.tell(event)
    return True


def inhibit(world: World, driver: str) -> bool:
    """Hold the shutdown off, or stop doing so."""
    body = world.bodies.get(driver)
    if body is None or not body.alive or body.stopped or not body.finished:
        return False
    body.inhibits = not body.inhibits
    world.tell(events.InhibitChanged(driver, body.incarnation, body.inhibits, "a guest runs" if body.inhibits else ""))
    return True


def shut_door(world: World, _: str) -> bool:
    """Ask for a plain shutdown while somebody holds it off: it must be refused."""
    if not any(
        body.inhibits and body.alive and not body.guilty and body.silent_since_s is None for body in world.bodies.values()
    ):
        return False
    before = world.refused
    world.tell(events.ShutdownAsked(save=False, force=False))
    if world.refused == before:
        world.stopping = True
    return True


def restart(world: World, driver: str) -> bool:
    """A person restarts a driver."""
    world.pardoned.add(driver)
    world.tell(events.RestartAsked(driver))
    return True


def put_down(world: World, driver: str) -> bool:
    """A person stops a driver, and releases it some time later."""
    world.pardoned.add(driver)
    world.tell(events.StopAsked(driver))
    world.later(world.random.uniform(0.0, 5.0), _tell, world, events.ReleaseAsked(driver))
    return True


def release(world: World, driver: str) -> bool:
    """A person releases a driver."""
    world.tell(events.ReleaseAsked(driver))
    return True


def reload(world: World, driver: str) -> bool:
    """A person has definitions read again."""
    world.tell(events.ReloadAsked(world.random.choice(("", driver))))
    return True


def _tell(world: World, event: Event) -> None:
    world.tell(event)


def host_away(world: World, _: str) -> bool:
    """Stop the host for a while; the workers go on, and what they say waits."""
    world.away_until_s = world.now_s + world.random.uniform(0.5, 8.0)
    return True


def machine_frozen(world: World, _: str) -> bool:
    """Stop everything for a while: when it goes on, every beat is old, and nobody is to blame."""
    gap_s = world.random.uniform(1.0, 20.0)
    world.now_s += gap_s
    world.postpone(gap_s)
    for body in list(world.bodies.values()):
        # Who owes an answer may be found late through no fault of its own: that costs a life, and is accepted.
        body.guilty = body.guilty or bool(body.verb) or not body.greeted
        if body.silent_since_s is not None:
            body.silent_since_s += gap_s
        if body.born and body.alive and body.silent_since_s is None and not body.verb:
            world.tell(events.BeatRead(body.driver, body.incarnation, gap_s, stopped=False))
    return True


def host_crash(world: World, _: str) -> bool:
    """Kill the host; the next one finds what lives on."""
    world.new_host()
    return True


def hard_to_kill(world: World, driver: str) -> bool:
    """Let the kernel hold a process for a while when it is killed."""
    body = world.bodies.get(driver)
    if body is None:
        return False
    body.hard_to_kill_s = world.random.uniform(0.1, 3.0)
    return True


def hard_to_bury(world: World, driver: str) -> bool:
    """Let a life leave children behind that take a while to end."""
    body = world.bodies.get(driver)
    if body is None:
        return False
    body.hard_to_bury_s = world.random.uniform(0.01, 3.0)
    return True


def arm(world: World, driver: str) -> bool:
    """Let the driver misbehave at its next start or verb. Counted when it does."""
    armed = world.armed.setdefault(driver, [])
    if len(armed) < ARMED_MAX:
        armed.append(world.random.choice(START_FAULTS + VERB_FAULTS))
    return False


STRIKES: dict[str, tuple[int, Callable[[World, str], bool]]] = {
    "crash": (10, crash),
    "hang": (3, hang),
    "stop": (3, stop),
    "slow": (4, slow),
    "nonsense": (3, nonsense),
    "claims a verb": (3, claim),
    "stale word": (12, stale),
    "word of the future": (6, future),
    "word of a stranger": (3, stranger),
    "word after death": (10, after_death),
    "the same word twice": (8, twice),
    "inhibit": (4, inhibit),
    "shutdown while held off": (2, shut_door),
    "restart asked": (2, restart),
    "stop asked": (2, put_down),
    "release asked": (3, release),
    "reload asked": (3, reload),
    "host away": (2, host_away),
    "machine frozen": (1, machine_frozen),
    "host killed": (1, host_crash),
    "hard to kill": (2, hard_to_kill),
    "hard to bury": (2, hard_to_bury),
    "armed": (24, arm),
}
"""Kind of fault: how often, relative to the others, and what it does."""

_NAMES = list(STRIKES)
_WEIGHTS = [weight for weight, _ in STRIKES.values()]


def strike(world: World) -> None:
    """Let one fault of some kind strike some driver."""
    (kind,) = world.random.choices(_NAMES, _WEIGHTS)
    driver = world.random.choice(world.specs).name
    if STRIKES[kind][1](world, driver):
        world.faults[kind] += 1
