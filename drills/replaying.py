"""Gives a host's journal to the judge of the core again, one host after the other, and tells which promises were broken."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tierhost.host.core import commands, events
from tierhost.host.core.invariants import Invariants
from tierhost.host.core.spec import DriverSpec, Policy
from tierhost.ipc.errors import TierhostError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tierhost.drills.history import History, Journaled
    from tierhost.host.core.commands import Command
    from tierhost.host.core.events import Event
    from tierhost.host.core.promises import Breach

EVENTS: Final = {
    name: kind for name, kind in vars(events).items() if isinstance(kind, type) and kind.__module__ == events.__name__
}
COMMANDS: Final = {
    name: kind for name, kind in vars(commands).items() if isinstance(kind, type) and kind.__module__ == commands.__name__
}
LOST: Final = "JournalLost"
AUTO_START: Final = "state_auto_start"


class NoEvidence(TierhostError):
    """Raised when a journal is not there, has gaps, or nobody knows whom it speaks of."""


@dataclass(slots=True)
class HostLife:
    """One host: what its core was told, and what it ordered in answer to each. `boot` numbers the boots of the run."""

    boot: int = 0
    turns: list[tuple[float, Event, list[Command]]] = field(default_factory=list)

    def events(self) -> Iterable[Event]:
        """What it was told."""
        return (event for _, event, _ in self.turns)

    def orders(self) -> Iterable[Command]:
        """What it ordered."""
        return (command for _, _, given in self.turns for command in given)

    def has_started(self) -> bool:
        """Whether it knows what a former host left behind, and goes to work."""
        return any(isinstance(event, events.HostStarted) for event in self.events())

    def ended_in_order(self) -> bool:
        """Whether it said goodbye; otherwise its last lines may be missing."""
        return any(isinstance(command, commands.EndHost) for command in self.orders())


def host_lives(history: History) -> list[HostLife]:
    """Split the journal into hosts. Raises NoEvidence where lines are missing or mean nothing to us."""
    if not history.journal:
        raise NoEvidence("there is no journal")
    reboots_s = sorted(strike.fired_s for strike in history.strikes if "boot" in strike.kind and strike.fired_s is not None)
    lives: list[HostLife] = []
    for line in history.journal:
        fact = _fact(line)
        begins = isinstance(fact, events.HostStarted | events.LifeFound | events.IncarnationSeen)
        if begins and (not lives or lives[-1].has_started()):
            lives.append(HostLife(sum(1 for at_s in reboots_s if at_s <= line.at_s)))
        if not lives:
            raise NoEvidence("the journal does not begin with the start of a host")
        if type(fact).__name__ in EVENTS:
            lives[-1].turns.append((line.at_s, fact, []))
        elif lives[-1].turns:
            lives[-1].turns[-1][2].append(fact)
    return lives


def _fact(line: Journaled) -> Any:
    if line.what == LOST:
        raise NoEvidence(f"the journal lost {line.fields.get('lines', 'some')} lines")
    kind = EVENTS.get(line.what) or COMMANDS.get(line.what)
    if kind is None:
        raise NoEvidence(f"a journal line is no event and no command: {line.what}")
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in line.fields.items()}
    try:
        return kind(**fields)
    except TypeError as error:
        raise NoEvidence(f"a journal line does not say what {line.what} needs: {error}") from None


def breaches(history: History) -> list[Breach]:
    """Judge every host of a run. Raises NoEvidence when the journal, or who is in which tier, is not known."""
    specs, tiers = _site(history)
    lives = host_lives(history)
    found: list[Breach] = []
    started: set[tuple[int, str]] = set()
    for number, life in enumerate(lives):
        if number:
            started |= _started(lives[number - 1], life)
        judge = Invariants(specs, Policy(), tiers, already_started=[driver for boot, driver in started if boot == life.boot])
        for at_s, event, given in life.turns:
            judge.after(event, at_s, given)
        found += judge.breaches
    return found


def _site(history: History) -> tuple[list[DriverSpec], list[str]]:
    status = next((look.status for look in history.looks if look.status.get("drivers")), None)
    if status is None:
        raise NoEvidence("no look at the status says which driver is in which tier")
    specs = [DriverSpec(row["name"], row["tier"], bool(row.get("required", True))) for row in status["drivers"]]
    return specs, [tier["name"] for tier in status["tiers"]]


def _started(before: HostLife, now: HostLife) -> set[tuple[int, str]]:
    """Who had auto-started in `before`, as its successor must know it.

    A host that is killed takes its last lines with it, perhaps the answer to an auto-start that it had recorded already.
    Where the order stands without its answer, either is possible; what the next host does tells which it was.
    """
    reported = [event for event in before.events() if isinstance(event, events.VerbReported) and event.verb == AUTO_START]
    done = {event.driver for event in reported if event.outcome == "complete"}
    ordered = _auto_started(before)
    open_orders = set() if before.ended_in_order() else ordered - {event.driver for event in reported}
    return {(before.boot, driver) for driver in done | (open_orders - _auto_started(now))}


def _auto_started(life: HostLife) -> set[str]:
    return {order.driver for order in life.orders() if isinstance(order, commands.RunVerb) and order.verb == AUTO_START}


def judged(history: History, invariants: Sequence[str]) -> list[str]:
    """List breaches of these invariants, a line each."""
    return [
        f"{breach.at_s - history.began_s:+.3f} s: {breach.invariant}: {breach.text}"
        for breach in breaches(history)
        if breach.invariant in invariants
    ]
