"""A small world with one clock: fake workers, a fake wire and a fake shell around the real supervisor."""

from __future__ import annotations

import heapq
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tierhost.host.core import commands, events
from tierhost.host.core.invariants import Breach, Invariants
from tierhost.host.core.spec import DriverSpec, Policy
from tierhost.host.core.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from random import Random

    from tierhost.host.core.commands import Command
    from tierhost.host.core.events import Event

TRACE_MAX = 120
TURNS_AT_ONE_MOMENT_MAX = 2_000

POLICY = Policy(greet_s=2.0, adopt_s=2.0, evict_s=1.0, patience_s=2.0)
LIMITS_S = {
    "initialize": 2.0,
    "auto_start": 3.0,
    "reload": 2.0,
    "stop": 2.0,
    "shutdown_prepare": 1.0,
    "shutdown_wait": 2.0,
    "cleanup": 1.0,
}


class Broken(AssertionError):  # it is a verdict
    """Raised when an invariant was broken; carries the breach, the seed's trace and the driver's story are in the text."""

    def __init__(self, breach: Breach, text: str) -> None:
        super().__init__(text)
        self.breach = breach


@dataclass(slots=True, eq=False)
class FakeWorker:
    """The body of one life. `guilty`: it was made to misbehave, so the host may end it."""

    driver: str
    incarnation: int
    born: bool = False
    alive: bool = True
    silent_since_s: float | None = None
    stopped: bool = False
    guilty: bool = False
    greeted: bool = False
    adopted: bool = False
    verb: str = ""
    finished: str = ""
    inhibits: bool = False
    hard_to_kill_s: float = 0.0
    hard_to_bury_s: float = 0.0


@dataclass(slots=True)
class World:
    """Drives the supervisor. Everything that happens goes through `tell`, and is judged there."""

    random: Random
    specs: list[DriverSpec]
    tiers: tuple[str, ...]
    flat: bool
    core_class: type[Supervisor] = Supervisor
    now_s: float = 100.0
    events_told: int = 0
    checks: int = 0
    faults: Counter[str] = field(default_factory=Counter)
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
    core: Supervisor = field(init=False)
    judge: Invariants = field(init=False)
    trace: deque[str | tuple[float, object]] = field(default_factory=lambda: deque(maxlen=TRACE_MAX))
    _heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = field(default_factory=list)
    _serial: int = 0
    _perform: dict[type[Command], Callable[[Any], None]] = field(init=False)

    def __post_init__(self) -> None:
        self._perform = {
            commands.StartWorker: self._start,
            commands.RunVerb: self._run_verb,
            commands.AdoptWorker: self._adopt,
            commands.EvictWorker: self._evict,
            commands.BuryWorker: self._bury,
            commands.RefuseShutdown: self._refused,
            commands.EndHost: self._end,
        }
        self.begin(())

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
        self.judge.after(event, self.now_s, given)
        self.trace.extend((self.now_s, command) for command in given if type(command) is not commands.PublishPhase)
        if self.judge.breaches:
            self.broken(self.judge.breaches[0])
        for command in given:
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
        """A host starts, and finds these lives."""
        self.generation += 1
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

    def postpone(self, gap_s: float) -> None:
        """The machine stood still: what was to happen happens so much later."""
        self._heap = [(at_s + gap_s, serial, what, arguments) for at_s, serial, what, arguments in self._heap]
        heapq.heapify(self._heap)

    def new_host(self) -> None:
        """Kill the host and start the next one, which adopts what lives and ends what does not."""
        lost = {self._no_process, self.tell}
        self._heap = [
            entry for entry in self._heap if entry[2] not in lost and (entry[2] != self._said or self.random.random() < 0.9)
        ]
        heapq.heapify(self._heap)
        self.last_word = None
        self.stopping = False
        self.pardoned.clear()
        for body in list(self.bodies.values()):
            if not body.born or not body.alive:
                del self.bodies[body.driver]
        for body in self.bodies.values():
            body.adopted, body.inhibits = True, False
            body.guilty = body.guilty or not (body.finished or body.verb)
            self.later(self.random.uniform(0.001, 0.1), self._present_itself, body)
        self.begin(self.bodies.values())

    def _present_itself(self, body: FakeWorker) -> None:
        """Say hello to a new host, between two verbs; again if it was not heard."""
        if body.verb:
            self.later(0.1, self._present_itself, body)
            return
        self._said(body, events.WorkerGreeted(body.driver, body.incarnation, body.finished))
        if self.random.random() < 0.1:
            self.later(1.0, self._said, body, events.WorkerGreeted(body.driver, body.incarnation, body.finished))

    # The shell's hands.

    def fires(self, driver: str, *kinds: str) -> str:
        """Take an armed misbehaviour of one of these kinds, if there is one."""
        for kind in self.armed.get(driver, ()):
            if kind in kinds:
                self.armed[driver].remove(kind)
                self.faults[kind] += 1
                return kind
        return ""

    def _start(self, command: commands.StartWorker) -> None:
        body = FakeWorker(command.driver, command.incarnation)
        self.bodies[command.driver] = body
        if self.fires(command.driver, "no process"):
            body.guilty = True
            self.later(0.01, self._no_process, body)
        else:
            self.later(self.random.uniform(0.001, 0.02), self._born, body)

    def _no_process(self, body: FakeWorker) -> None:
        if self.bodies.get(body.driver) is body:
            del self.bodies[body.driver]
            self.tell(events.WorkerStartFailed(body.driver, body.incarnation, "fork: no memory"))

    def _born(self, body: FakeWorker) -> None:
        if self.bodies.get(body.driver) is not body or not body.alive:
            return
        body.born = True
        self.used[body.driver] = max(self.used.get(body.driver, 0), body.incarnation)
        self.tell(events.WorkerStarted(body.driver, body.incarnation, 1000 + self.events_told))
        how = self.fires(body.driver, "never greets", "greets late", "greets twice", "greets with a lie", "dies before it greets")
        wait_s = self.random.uniform(0.001, 0.05)
        if how:
            body.guilty = True
        if how == "never greets":
            return
        if how == "dies before it greets":
            self.later(wait_s, self.die, body, "exit 1")
            return
        wait_s += POLICY.greet_s * self.random.uniform(0.9, 1.5) if how == "greets late" else 0.0
        claim = self.random.choice(["state_initialize", "state_auto_start", "nonsense"]) if how == "greets with a lie" else ""
        self.later(wait_s, self._greet, body, claim)
        if how == "greets twice":
            self.later(wait_s + 0.01, self._greet, body, claim)

    def _greet(self, body: FakeWorker, claim: str) -> None:
        body.greeted = True
        self._said(body, events.WorkerGreeted(body.driver, body.incarnation, claim))

    def _run_verb(self, command: commands.RunVerb) -> None:
        body = self.bodies.get(command.driver)
        if body is None or not body.alive:
            return
        body.verb = command.verb
        wait_s = min(self.random.expovariate(20.0), command.limit_s * 0.9)
        outcome, verb = "complete", command.verb
        how = self.fires(command.driver, *VERB_FAULTS)
        if how and (how not in {"fails", "skips"} or verb == "state_initialize"):
            body.guilty = True
        if how == "dies in a verb":
            self.later(wait_s, self.die, body, "signal 11")
            return
        if how == "never answers":
            return
        if how == "answers late":
            wait_s = command.limit_s * self.random.uniform(0.9, 1.6)
        elif how == "fails":
            outcome = "failed"
        elif how == "skips":
            outcome = "skipped"
        elif how == "answers nonsense":
            outcome = "banana"
        elif how == "answers another verb":
            verb = self.random.choice([name for name in VERBS if name != verb])
        self.later(wait_s, self._answer, body, verb, outcome)
        if how == "answers twice":
            self.later(wait_s, self._answer, body, verb, outcome)

    def _answer(self, body: FakeWorker, verb: str, outcome: str) -> None:
        if body.stopped or not body.alive or self.bodies.get(body.driver) is not body:
            return
        body.verb = ""
        if outcome == "complete" and verb in {"state_initialize", "state_auto_start"}:
            body.finished = verb
            if verb == "state_auto_start":
                # Like the shell, which records it before the core is told.
                self.boot.add(body.driver)
        self._said(body, events.VerbReported(body.driver, body.incarnation, verb, outcome, "as ordered"))

    def _adopt(self, command: commands.AdoptWorker) -> None:
        body = self.bodies.get(command.driver)
        if body is not None:
            body.adopted = True

    def _evict(self, command: commands.EvictWorker) -> None:
        body = self.bodies.get(command.driver)
        if body is None or body.incarnation != command.incarnation or not body.born:
            if body is not None and body.incarnation == command.incarnation:
                del self.bodies[command.driver]
            self.later(0.0, self.tell, events.WorkerExited(command.driver, command.incarnation, "had no process"))
            self.later(0.0, self.tell, events.WorkerBuried(command.driver, command.incarnation))
            return
        if not body.guilty and not self.stopping and command.driver not in self.pardoned:
            self.broken(Breach("isolation", self.now_s, f"{command}, and it had done nothing"))
        body.guilty = True
        body.verb = ""
        self.later(0.001 + body.hard_to_kill_s, self.die, body, "signal 9")

    def die(self, body: FakeWorker, how: str) -> None:
        """The kernel ends a process and tells the host."""
        if body.alive and self.bodies.get(body.driver) is body:
            body.alive = False
            body.guilty = True
            self.later(0.0, self._tell_of, body, events.WorkerExited(body.driver, body.incarnation, how))

    def _tell_of(self, body: FakeWorker, event: Event) -> None:
        if self.bodies.get(body.driver) is body:
            self.last_word = event
            self.tell(event)

    def _bury(self, command: commands.BuryWorker) -> None:
        body = self.bodies.get(command.driver)
        if body is None or body.incarnation != command.incarnation:
            self.later(0.0, self.tell, events.WorkerBuried(command.driver, command.incarnation))
            return
        self.later(body.hard_to_bury_s, self._buried, body)

    def _buried(self, body: FakeWorker) -> None:
        if self.bodies.get(body.driver) is body:
            del self.bodies[body.driver]
            self.pardoned.discard(body.driver)
            self.tell(events.WorkerBuried(body.driver, body.incarnation))

    def _refused(self, _: commands.RefuseShutdown) -> None:
        self.refused += 1

    def _end(self, _: commands.EndHost) -> None:
        self.ended = True
        if self.bodies:
            self.broken(Breach("end", self.now_s, f"the host ended with bodies left: {sorted(self.bodies)}"))


VERBS = (
    "state_initialize",
    "state_auto_start",
    "state_reload",
    "state_stop",
    "state_shutdown_prepare",
    "state_shutdown_wait",
    "state_cleanup",
)
VERB_FAULTS = (
    "dies in a verb",
    "never answers",
    "answers late",
    "fails",
    "skips",
    "answers nonsense",
    "answers another verb",
    "answers twice",
)
START_FAULTS = ("no process", "never greets", "greets late", "greets twice", "greets with a lie", "dies before it greets")
