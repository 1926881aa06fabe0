"""A small world with one clock: fake workers, a fake wire and a fake shell around the real supervisor."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.simulation.body import POLICY, VERB_FAULTS, VERBS, FakeWorker
from tests.simulation.stage import Stage
from tierhost.host.core import commands, events
from tierhost.host.core.promises import Breach

if TYPE_CHECKING:
    from tierhost.host.core.events import Event


@dataclass(slots=True)
class World(Stage):
    """The shell's hands, all fake: what the supervisor orders is done to fake workers, who answer in their own time."""

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
        wait_s = min(self.random.expovariate(self.verbs_per_s), command.limit_s * 0.9)
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
