"""One clock, one supervisor and its judge: whatever happens is told in order, and every answer is judged."""

from __future__ import annotations

import heapq
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.simulation.body import POLICY, FakeWorker
from tierhost.host.core import commands, events
from tierhost.host.core.invariants import Invariants
from tierhost.host.core.lifecycle import Phase
from tierhost.host.core.promises import Breach
from tierhost.host.core.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from random import Random

    from tierhost.host.core.commands import Command
    from tierhost.host.core.events import Event
    from tierhost.host.core.spec import DriverSpec

TRACE_MAX = 120
TURNS_AT_ONE_MOMENT_MAX = 2_000


class Broken(AssertionError):  # it is a verdict
    """Raised when an invariant was broken; carries the breach, the seed's trace and the driver's story are in the text."""

    def __init__(self, breach: Breach, text: str) -> None:
        super().__init__(text)
        self.breach = breach


@dataclass(slots=True)
class Stage:
    """Drives the supervisor. Everything that happens goes through `tell`, and is judged there."""

    random: Random
    specs: list[DriverSpec]
    tiers: tuple[str, ...]
    flat: bool
    verbs_per_s: float = 20.0
    core_class: type[Supervisor] = Supervisor
    now_s: float = 100.0
    events_told: int = 0
    checks: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    moves: Counter[tuple[Phase, Phase]] = field(default_factory=Counter)
    bodies: dict[str, FakeWorker] = field(default_factory=dict)
    armed: dict[str, list[str]] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)
    boot: set[str] = field(default_factory=set)
    pardoned: set[str] = field(default_factory=set)
    last_word: Event | None = None
    away_until_s: float = 0.0
    generation: int = 0
    ended: bool = False
    refused: int = 0
    stopping: bool = False
    shown: dict[str, Phase] = field(default_factory=dict)
    core: Supervisor = field(init=False)
    judge: Invariants = field(init=False)
    noted: list[tuple[float, Event | Command]] | None = None
    trace: deque[str | tuple[float, object]] = field(default_factory=lambda: deque(maxlen=TRACE_MAX))
    _heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = field(default_factory=list)
    _serial: int = 0
    _perform: dict[type[Command], Callable[[Any], None]] = field(default_factory=dict)

    # Time.

    def later(self, wait_s: float, what: Callable[..., None], *arguments: Any) -> None:
        """Let something happen after a while."""
        self._serial += 1
        heapq.heappush(self._heap, (self.now_s + wait_s, self._serial, what, arguments))

    def word(self, wait_s: float, body: FakeWorker, event: Event) -> None:
        """Let a worker say something: it arrives if the worker lived to say it and is not stopped by then."""
        self.later(wait_s, self._said, body, event)

    def _said(self, body: FakeWorker, event: Event) -> None:
        if body.alive and not body.stopped and self.bodies.get(body.driver) is body:
            self.last_word = event
            self.tell(event)

    def run_until(self, end_s: float) -> None:
        """Let everything happen that is due until then, the core's deadlines included."""
        turns, moment_s = 0, self.now_s
        while not self.ended:
            deadline_s = self.core.deadline_s(self.now_s)
            due_s = end_s if deadline_s is None else deadline_s
            # Like the shell: what has arrived is read before deadlines are looked at, above all after an absence.
            arrives = bool(self._heap) and self._heap[0][0] <= max(due_s, self.away_until_s)
            if arrives:
                due_s = self._heap[0][0]
            if due_s >= end_s:
                break
            self.now_s = max(self.now_s, due_s, self.away_until_s)
            turns = turns + 1 if self.now_s == moment_s else 0
            moment_s = self.now_s
            if turns > TURNS_AT_ONE_MOMENT_MAX:
                self.broken(Breach("settles", self.now_s, "the core asks for the same moment again and again"))
            if arrives:
                _, _, what, arguments = heapq.heappop(self._heap)
                what(*arguments)
            else:
                self.tell(events.TimePassed())
        self.now_s = max(self.now_s, end_s)

    def postpone(self, gap_s: float) -> None:
        """The machine stood still: what was to happen happens so much later."""
        self._heap = [(at_s + gap_s, serial, what, arguments) for at_s, serial, what, arguments in self._heap]
        heapq.heapify(self._heap)

    # Facts in, orders out, everything judged.

    def tell(self, event: Event) -> None:
        """Give one event to the core, judge its answer, carry it out."""
        if self.ended:
            return
        self.events_told += 1
        self.trace.append((self.now_s, event))
        try:
            given = self.core.handle(event, self.now_s)
        except Exception as error:
            self.trace.append((self.now_s, error))
            raise Broken(Breach("raised", self.now_s, repr(error)), self.report(f"the core raised {error!r}")) from error
        if self.noted is not None:
            self.noted += [(self.now_s, fact) for fact in (event, *given)]
        self.judge.after(event, self.now_s, given)
        self.trace.extend((self.now_s, command) for command in given if type(command) is not commands.PublishPhase)
        if self.judge.breaches:
            self.broken(self.judge.breaches[0])
        for command in given:
            if isinstance(command, commands.PublishPhase):
                now = Phase[command.phase]
                self.moves[self.shown.get(command.driver, Phase.DORMANT), now] += 1
                self.shown[command.driver] = now
            perform = self._perform.get(type(command))
            if perform is not None:
                perform(command)

    def broken(self, breach: Breach) -> None:
        """Stop here, with everything a person needs to see why."""
        raise Broken(breach, self.report(f"{breach.invariant}: {breach.text}"))

    def report(self, what: str) -> str:
        """Say what was broken and what led to it."""
        lines = [what, *(entry if isinstance(entry, str) else f"  {entry[0]:9.3f} {entry[1]}" for entry in self.trace)]
        for spec in self.specs:
            lines.append(f"  story of {spec.name}:")
            lines += [f"    {line}" for line in self.core.story(spec.name)[-12:]]
        return "\n".join(lines)

    def begin(self, found: Iterable[FakeWorker]) -> None:
        """A host starts, and finds these lives. `noted`, if somebody wants it, is what a host's journal would hold."""
        self.generation += 1
        self.shown.clear()
        self.checks += self.judge.checks if self.generation > 1 else 0
        self.trace.append(f"--- host {self.generation} ---")
        self.core = self.core_class(self.specs, POLICY, self.tiers, flat=self.flat, already_started=frozenset(self.boot))
        self.judge = Invariants(self.specs, POLICY, self.tiers, flat=self.flat, already_started=frozenset(self.boot))
        living = list(found)
        for driver, number in self.used.items():
            if all(body.driver != driver for body in living):
                self.tell(events.IncarnationSeen(driver, number))
        for body in living:
            self.tell(events.LifeFound(body.driver, body.incarnation))
        self.tell(events.HostStarted())
