"""Carries out the core's commands, one small method each; what follows at once comes back as events."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from tierhost.host.core import commands, events
from tierhost.host.shell.lives import Life
from tierhost.host.shell.news import News
from tierhost.ipc.codec import encode
from tierhost.ipc.messages import Assign, Leave, Perform, Welcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tierhost.host.core.commands import Command
    from tierhost.host.core.events import Event
    from tierhost.host.shell.equipment import Equipment
    from tierhost.host.shell.processes import Body
    from tierhost.ipc.messages import FromHost


class Orders:
    """The shell's hands. Every method returns the events that are known at once; the rest arrives through the loop."""

    def __init__(self, equipment: Equipment) -> None:
        self._of = equipment
        self._seq = 0
        self.news = News(equipment)
        self.unburied: list[Body] = []
        self._graves: list[Body] = []
        self.refusals: list[tuple[str, ...]] = []
        self.ended = False
        self._perform: dict[type[Command], Callable[..., Iterable[Event]]] = {
            commands.StartWorker: self._start,
            commands.RunVerb: self._run_verb,
            commands.AdoptWorker: self._adopt,
            commands.AnnounceUp: self.news.announce_up,
            commands.AnnounceDown: self.news.announce_down,
            commands.EvictWorker: self._evict,
            commands.BuryWorker: self._bury,
            commands.PublishPhase: self._publish_phase,
            commands.PublishTier: self._publish_tier,
            commands.RefuseShutdown: self._refuse,
            commands.EndHost: self._end,
        }

    def perform(self, command: Command) -> Iterable[Event]:
        """Do what the core ordered."""
        return self._perform[type(command)](command)

    def send(self, body: Body, message: FromHost) -> None:
        """Say something to one worker. If it cannot be reached its death or silence will show; nobody waits here."""
        self._of.door.send(body.identity.encode(), encode(message))

    # One life.

    def _start(self, command: commands.StartWorker) -> Iterable[Event]:
        manifest = self._of.catalog.drivers[command.driver]
        bodies = self._of.processes.bodies
        spares = bodies.spares(manifest.name) or ([] if manifest.blob else bodies.spares(""))
        spares.sort(key=lambda spare: not spare.is_ready)
        body = spares[0] if spares else self._of.processes.order(manifest)
        if body is None:
            return [
                events.WorkerStartFailed(command.driver, command.incarnation, "the process that forks workers does not answer")
            ]
        body.driver, body.incarnation = command.driver, command.incarnation
        body.slot = self._of.slots[command.driver]
        bodies.by_driver[command.driver] = body
        return self.assign(body) if body.is_ready else []

    def born(self) -> list[Event]:
        """Watch the processes that the zygote has forked since. One that has parked before it was told of gets its role now."""
        known: list[Event] = []
        for body in self._of.processes.hear():
            self._of.poller.register_fd(body.pidfd)
            if body.is_ready and body.driver and not body.assigned:
                known += self.assign(body)
        return known

    def assign(self, body: Body) -> Iterable[Event]:
        """Give a parked body the role it was chosen for."""
        self._of.beats.start(body.slot, time.monotonic())
        try:
            self._record(body, alive=True)
        except OSError as error:
            # The next host could not find it. It stays a spare, and the core tries again later.
            failed = events.WorkerStartFailed(body.driver, body.incarnation, f"its record cannot be written: {error.strerror}")
            self._take_back(body)
            return [failed]
        body.assigned = True
        manifest = self._of.catalog.drivers[body.driver]
        spec = manifest.wire() | self._of.common_spec
        self.send(body, Assign(spec, body.incarnation, body.slot, self._of.facts.pid))
        for peer in self.news.peers_of(body.driver):
            self.send(body, peer)
        return [events.WorkerStarted(body.driver, body.incarnation, body.pid)]

    def _record(self, body: Body, *, alive: bool) -> None:
        self._of.lives.write(
            Life(
                driver=body.driver,
                incarnation=body.incarnation,
                alive=alive,
                pid=body.pid,
                start_time=body.start_time,
                identity=body.identity,
                slot=body.slot,
                cgroup=body.cgroup,
                log=body.log.name,
                started_s=time.monotonic(),
            )
        )

    def _run_verb(self, command: commands.RunVerb) -> Iterable[Event]:
        body = self._of.processes.bodies.life(command.driver, command.incarnation)
        if body is not None:
            self._seq += 1
            self.send(body, Perform(self._seq, command.verb, command.limit_s))
        return []

    def _adopt(self, command: commands.AdoptWorker) -> Iterable[Event]:
        body = self._of.processes.bodies.life(command.driver, command.incarnation)
        if body is not None:
            self.send(body, Welcome(body.incarnation, self._of.facts.pid))
            for peer in self.news.peers_of(body.driver):
                self.send(body, peer)
        return []

    def _evict(self, command: commands.EvictWorker) -> Iterable[Event]:
        body = self._of.processes.bodies.life(command.driver, command.incarnation)
        if body is None:
            return self._never_was(command.driver, command.incarnation)
        if not body.assigned:
            # It never took up the role, and this life had no body. It stays a spare, unless it had its time and never parked.
            self._take_back(body)
            if not body.parked:
                self._of.processes.give_up(body, command.reason)
            return self._never_was(command.driver, command.incarnation)
        body.how = body.how or f"killed by the host: {command.reason}"
        self._of.processes.kill(body)
        return []

    def _take_back(self, body: Body) -> None:
        """Let one that has not taken up its role be a spare again."""
        del self._of.processes.bodies.by_driver[body.driver]
        body.driver, body.incarnation, body.slot = "", 0, -1

    @staticmethod
    def _never_was(driver: str, incarnation: int) -> Iterable[Event]:
        return [events.WorkerExited(driver, incarnation, "had no process"), events.WorkerBuried(driver, incarnation)]

    def _bury(self, command: commands.BuryWorker) -> Iterable[Event]:
        body = self._of.processes.bodies.life(command.driver, command.incarnation)
        if body is None:
            return [events.WorkerBuried(command.driver, command.incarnation)]
        if not self._of.processes.is_buried(body):
            self.unburied.append(body)
            return []
        return self.buried(body)

    def buried(self, body: Body) -> Iterable[Event]:
        """Nothing of the body is left. What it had is cleared away when the next life is on its way."""
        self._of.processes.bodies.drop(body)
        self._graves.append(body)
        self._of.reported.pop(body.driver, None)
        self._of.inhibitors.pop(body.driver, None)
        return [events.WorkerBuried(body.driver, body.incarnation)]

    def follow_up(self) -> None:
        """Do what nobody waits for, after every batch of orders: tell the others and the public, clear away the dead."""
        self.news.tell()
        graves, self._graves = self._graves, []
        for body in graves:
            self._of.root.worker_socket(body.driver, body.incarnation).unlink(missing_ok=True)
            successor = self._of.processes.bodies.by_driver.get(body.driver)
            if successor is None or not successor.assigned:
                # Its number stays used. (The record of a successor says so, too; and so does the old one, of a dead process.)
                with suppress(OSError):
                    self._record(body, alive=False)
            self._of.processes.forget(body)

    # What people see.

    def _publish_phase(self, command: commands.PublishPhase) -> Iterable[Event]:
        details = {"phase": command.phase, "reason": command.reason}
        self._of.publisher.say(time.monotonic(), command.driver, "phase", command.driver, details, command.incarnation)
        return []

    def _publish_tier(self, command: commands.PublishTier) -> Iterable[Event]:
        details = {"state": command.state, "reason": command.reason}
        self._of.publisher.say(time.monotonic(), "host", "tier", command.tier, details)
        state = "ending" if self._of.core.is_stopping() else command.state
        text = f"tier {command.tier} {state}" + (f": {command.reason}" if command.reason else "")
        self._of.readiness.tier(text)
        tiers = self._of.core.tiers()
        if all(tier.state in {"ready", "held"} for tier in tiers):
            self._of.readiness.settled(", ".join(f"{tier.name} {tier.state}" for tier in tiers))
        return []

    def _refuse(self, command: commands.RefuseShutdown) -> Iterable[Event]:
        self.refusals.append(command.reasons)
        return []

    def _end(self, _: commands.EndHost) -> Iterable[Event]:
        self.ended = True
        return []

    def dismiss_stranger(self, routing_id: bytes, reason: str) -> None:
        """Send away a worker that no record of ours knows."""
        self._of.door.send(routing_id, encode(Leave(reason)))
