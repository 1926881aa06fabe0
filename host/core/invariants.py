"""The judge: looks at every event and at the commands as they leave, and says which promise was broken.

It keeps its own, much simpler picture of the world and shares no decision with the supervisor it judges. The simulation
asks it after every event; a drill can replay a journal into it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tierhost.host.core import commands, events
from tierhost.host.core.lifecycle import NEXT, Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import Any

    from tierhost.host.core.commands import Command
    from tierhost.host.core.events import Event
    from tierhost.host.core.spec import DriverSpec, Policy

SLACK_S: Final = 1.0
"""How much later than its limit a thing may be dealt with: the host forgives silence for a moment after it was late itself."""

FAREWELL: Final = frozenset({"state_stop", "state_shutdown_prepare", "state_shutdown_wait", "state_cleanup"})

CONVICTING: Final = (
    events.WorkerStartFailed,
    events.WorkerGreeted,
    events.VerbReported,
    events.BeatRead,
    events.ProtocolBroken,
    events.RestartAsked,
    events.StopAsked,
)
"""Events for which the life they speak of may be ended."""

INVARIANTS: Final = {
    "barrier": "no process and no initialize in a tier before every required driver below is ready or skipped",
    "together": "no auto-start in a tier before every required driver of it has initialized",
    "one body": "no new life before the former body is buried",
    "incarnation": "the number of a new life is above every number used before",
    "announce": "up once per life and only when initialized; down once for every up, at once",
    "auto start": "auto-start is ordered once a life, and never again in a boot in which it was answered",
    "dead life": "orders go to the living life; burial once, to the dead one",
    "one verb": "no verb before the one before it was answered",
    "stale": "words of another life change nothing",
    "isolation": "a life is ended only for what it did itself, or because a person asked",
    "intensity": "more failures than the policy allows end in quarantine, and quarantine ends by a person",
    "deadline": "who does not answer within its limit is evicted",
    "beat": "who does not beat is evicted",
    "stop order": "shutdown goes from the highest tier down, with the verbs of farewell, and starts nothing",
    "end": "the host ends when no body is left, and does nothing after that",
    "inhibit": "a plain shutdown is refused while a driver holds it off, and only then",
    "phases": "published phases follow the table",
    "settles": "without new faults every driver that may run is ready or skipped in bounded time",
}


@dataclass(frozen=True, slots=True)
class Breach:
    """A promise that was broken: which (a key of INVARIANTS), when, and how."""

    invariant: str
    at_s: float
    text: str


@dataclass(slots=True)
class _Known:
    """What the judge knows of one driver. `body`: "" (none), "living" or "dead" (not buried)."""

    spec: DriverSpec
    tier: int
    auto_answered: bool
    incarnation: int = 0
    used: int = 0
    body: str = ""
    up: bool = False
    doomed: bool = False
    found: bool = False
    greeted: bool = False
    initialized: bool = False
    ever_initialized: bool = False
    skipped: bool = False
    auto_asked: bool = False
    verb: str = ""
    due_s: float = 0.0
    said_goodbye: bool = False
    saved: bool = False
    inhibits: bool = False
    person: bool = False
    guilty_s: float | None = None
    read_s: float = 0.0
    phase: Phase = Phase.DORMANT
    starts_s: deque[float] = field(default_factory=deque)

    def is_done(self) -> bool:
        """Whether a tier above need not wait for it."""
        living = self.body == "living" and not self.doomed
        return self.skipped or (living and self.initialized and self.auto_answered)


class Invariants:
    """Judges one host's life. `breaches` grows; it starts empty and stays so if the supervisor keeps its promises."""

    def __init__(
        self,
        specs: Sequence[DriverSpec],
        policy: Policy,
        tier_names: Sequence[str],
        *,
        flat: bool = False,
        already_started: Collection[str] = (),
    ) -> None:
        """Take the same arguments as the supervisor that is to be judged."""
        self.breaches: list[Breach] = []
        self.checks = 0
        self._policy = policy
        self._flat = flat
        self._known = {
            spec.name: _Known(spec, 0 if flat else list(tier_names).index(spec.tier), spec.name in already_started)
            for spec in specs
        }
        self._begun = {-1}
        self._closed = sorted({known.tier for known in self._known.values()})
        self._auto_begun: set[int] = set()
        self._shutdown: events.ShutdownAsked | None = None
        self._ended = False
        self._now_s = self._returned_s = 0.0
        self._see: dict[type, Callable[[_Known, Any], None]] = {
            events.LifeFound: self._life_found,
            events.IncarnationSeen: self._incarnation_seen,
            events.WorkerGreeted: self._greeted,
            events.VerbReported: self._verb_reported,
            events.WorkerExited: self._exited,
            events.WorkerBuried: self._buried,
            events.BeatRead: self._beat_read,
            events.InhibitChanged: self._inhibit_changed,
        }
        self._judge: dict[type, Callable[[_Known, Any, Event], None]] = {
            commands.StartWorker: self._start,
            commands.RunVerb: self._run_verb,
            commands.AdoptWorker: self._adopt,
            commands.AnnounceUp: self._announce_up,
            commands.AnnounceDown: self._announce_down,
            commands.EvictWorker: self._evict,
            commands.BuryWorker: self._bury,
            commands.PublishPhase: self._publish_phase,
        }

    def after(self, event: Event, now_s: float, given: Sequence[Command]) -> None:
        """Judge what was ordered in answer to one event."""
        if now_s - self._now_s > self._policy.patience_stopped_s:
            self._returned_s = now_s
        self._now_s = now_s
        if self._ended and given:
            self._broken("end", f"{given[0]} after EndHost")
        stale = self._take(event)
        if self._closed:
            self._open()
        for command in given:
            self._command(command, event, stale=stale)
        self._at_once(event, given)

    def _take(self, event: Event) -> bool:
        """Learn from an event. Returns whether it is the word of another life."""
        if isinstance(event, events.ShutdownAsked):
            held = any(known.inhibits for known in self._known.values())
            if not held or event.force or event.save:
                self._shutdown = self._shutdown or event
            return False
        known = self._known.get(getattr(event, "driver", ""))
        if known is None:
            return False
        if isinstance(event, events.RestartAsked | events.StopAsked | events.ReleaseAsked):
            known.person = True
            known.starts_s.clear()
            return False
        number = getattr(event, "incarnation", None)
        found = isinstance(event, events.LifeFound | events.IncarnationSeen)
        if number is not None and not found and (number != known.incarnation or not known.body):
            return True
        see = self._see.get(type(event))
        if see is not None:
            see(known, event)
        return False

    def _command(self, command: Command, event: Event, *, stale: bool) -> None:
        self.checks += 1
        if isinstance(command, commands.PublishTier):
            return
        if isinstance(command, commands.RefuseShutdown):
            held = any(known.inhibits for known in self._known.values())
            wanted = isinstance(event, events.ShutdownAsked) and not event.force and not event.save and held
            self._check("inhibit", wanted, "a shutdown was refused that nobody holds off")
            return
        if isinstance(command, commands.EndHost):
            self._ended = True
            bodies = [known.spec.name for known in self._known.values() if known.body]
            self._check("end", self._shutdown is not None and not bodies, f"EndHost with bodies left: {bodies}")
            return
        known = self._known.get(command.driver)
        if known is None:
            return
        again = isinstance(command, commands.EvictWorker) and known.doomed
        changes = not (again or isinstance(command, commands.PublishPhase | commands.StartWorker))
        if stale and changes and command.driver == getattr(event, "driver", "") and not self._overdue(known):
            self._broken("stale", f"{command} in answer to {event}")
        self._judge[type(command)](known, command, event)

    def _at_once(self, event: Event, given: Sequence[Command]) -> None:
        """Check what must be true whenever the supervisor has answered."""
        driver = getattr(event, "driver", "")
        known = self._known.get(driver)
        if known is not None and known.up and (known.body != "living" or known.doomed):
            self._broken("announce", f"{driver} is dead or doomed, and still announced")
        for command in given:
            if isinstance(command, commands.AnnounceDown):
                gone = self._known[command.driver]
                if gone.body == "living" and not gone.doomed:
                    self._broken("announce", f"{command.driver} was announced down, and lives on")
        if isinstance(event, events.TimePassed):
            for other in self._known.values():
                if other.body == "living" and not other.doomed and self._overdue(other, SLACK_S):
                    self._broken(
                        "deadline",
                        f"{other.spec.name} was to answer {other.verb or 'hello'} {self._now_s - other.due_s:.1f} s ago",
                    )

    def has_settled(self, now_s: float) -> None:
        """Judge the end of a time without faults: everybody who may run does."""
        self._now_s = now_s
        down = {Phase.QUARANTINED, Phase.STOPPED}
        for known in self._known.values():
            name = known.spec.name
            if self._ended or known.phase in down:
                continue
            held = any(
                other.spec.required and other.phase in down and other.tier <= known.tier and other is not known
                for other in self._known.values()
            )
            allowed = {Phase.READY, Phase.SKIPPED} | ({Phase.DORMANT, Phase.INITIALIZED} if held else set())
            self._check("settles", known.phase in allowed, f"{name} is still {known.phase.name}")
            if known.phase is Phase.READY:
                self._check("settles", known.is_done() and known.up, f"{name} is called READY, and is not")

    # What the judge learns.

    def _life_found(self, known: _Known, event: events.LifeFound) -> None:
        known.incarnation = event.incarnation
        known.used = max(known.used, event.incarnation)
        known.body, known.found = "living", True
        known.due_s = self._now_s + self._policy.adopt_s

    def _incarnation_seen(self, known: _Known, event: events.IncarnationSeen) -> None:
        known.used = max(known.used, event.incarnation)

    def _greeted(self, known: _Known, event: events.WorkerGreeted) -> None:
        if known.greeted:
            return
        known.greeted = True
        known.due_s = self._now_s
        if event.phase:
            known.initialized = known.ever_initialized = True
            known.auto_answered |= event.phase == "state_auto_start"

    def _verb_reported(self, known: _Known, event: events.VerbReported) -> None:
        if event.verb != known.verb:
            return
        known.verb = ""
        if event.verb == "state_initialize":
            known.initialized = event.outcome == "complete"
            known.ever_initialized |= known.initialized
            known.skipped = event.outcome == "skipped"
            known.ever_initialized |= known.skipped
        elif event.verb == "state_auto_start":
            known.auto_answered |= event.outcome in {"complete", "failed", "skipped"}
        elif event.verb == "state_cleanup":
            known.said_goodbye = True
        elif event.verb == "state_stop":
            known.saved = True

    def _exited(self, known: _Known, _: events.WorkerExited) -> None:
        known.body, known.doomed = "dead", True
        known.inhibits = False

    def _buried(self, known: _Known, _: events.WorkerBuried) -> None:
        known.body = ""

    def _beat_read(self, known: _Known, event: events.BeatRead) -> None:
        patience_s = self._policy.patience_stopped_s if event.stopped else self._policy.patience_s
        # Only old beats are told: a long silence about a worker means that it was fine in between.
        if event.age_s <= patience_s or self._now_s - known.read_s > SLACK_S:
            known.guilty_s = None
        known.read_s = self._now_s
        importing = not (known.greeted or known.found or event.stopped)
        if event.age_s > patience_s and known.guilty_s is None and not importing:
            known.guilty_s = self._now_s
        if known.guilty_s is not None and known.body == "living" and not known.doomed and self._now_s - known.guilty_s > SLACK_S:
            self._broken("beat", f"{known.spec.name} has not beaten for {event.age_s:.1f} s")

    def _inhibit_changed(self, known: _Known, event: events.InhibitChanged) -> None:
        known.inhibits = event.held and not known.doomed

    # What the judge checks, one command each.

    def _start(self, known: _Known, command: commands.StartWorker, _: Event) -> None:
        name, policy = known.spec.name, self._policy
        self._check("one body", not known.body, f"{command} while life {known.incarnation} is {known.body}")
        self._check("incarnation", command.incarnation > known.used, f"{command}, and {known.used} was used")
        self._check("announce", not known.up, f"{command} while life {known.incarnation} is announced")
        self._check("stop order", self._shutdown is None, f"{command} during the shutdown")
        self._check("intensity", known.person or known.phase is not Phase.QUARANTINED, f"{name} left quarantine by itself")
        self._barrier(known, command)
        known.starts_s.append(self._now_s)
        while self._now_s - known.starts_s[0] >= policy.intensity_period_s:
            known.starts_s.popleft()
        tries = len(known.starts_s)
        self._check(
            "intensity", tries <= policy.intensity_max + 1, f"{name} was started {tries} times in {policy.intensity_period_s} s"
        )
        known.incarnation = known.used = command.incarnation
        known.body, known.due_s, known.guilty_s = "living", self._now_s + policy.greet_s, None
        known.found = known.greeted = known.initialized = known.skipped = known.auto_asked = False
        known.doomed = known.said_goodbye = known.saved = known.person = False
        known.verb = ""

    def _barrier(self, known: _Known, command: Command) -> None:
        self._check(
            "barrier",
            known.tier in self._begun,
            f"{command} while {self._waiting_below(known.tier)} of the tier below are not done",
        )

    def _waiting_below(self, tier: int) -> list[str]:
        below = max((known.tier for known in self._known.values() if known.tier < tier), default=-1)
        drivers = [known for known in self._known.values() if known.tier == below and known.spec.required]
        return [known.spec.name for known in drivers if not known.is_done()] + (
            [] if below in self._begun else ["even lower ones"]
        )

    def _open(self) -> None:
        """A tier may begin from the moment at which everybody below it was done, and then for ever."""
        for tier in self._closed:
            if self._waiting_below(tier):
                break
            self._begun.add(tier)
        self._closed = [tier for tier in self._closed if tier not in self._begun]

    def _run_verb(self, known: _Known, command: commands.RunVerb, _: Event) -> None:
        self._alive(known, command)
        self._check("one verb", not known.verb, f"{command} while {known.verb} is under way")
        known.verb, known.due_s = command.verb, self._now_s + command.limit_s
        if command.verb == "state_initialize":
            self._barrier(known, command)
        elif command.verb == "state_auto_start":
            again = known.auto_answered or known.auto_asked
            self._check("auto start", not again, f"{command}, which was ordered or answered before")
            self._check("stop order", self._shutdown is None, f"{command} during the shutdown")
            self._together(known, command)
            known.auto_asked = True
        elif command.verb in FAREWELL and not known.person:
            self._check("stop order", self._may_stop(known), f"{command} while a higher tier has bodies, or without a shutdown")
            unsaved = command.verb != "state_stop" and self._shutdown is not None and self._shutdown.save and not known.saved
            self._check("stop order", not unsaved, f"{command} before state_stop, and the machine goes down")

    def _together(self, known: _Known, command: Command) -> None:
        if self._flat or known.tier in self._auto_begun:
            return
        siblings = [other for other in self._known.values() if other.tier == known.tier and other.spec.required]
        waiting = [other.spec.name for other in siblings if not other.ever_initialized]
        self._check("together", not waiting, f"{command} while {waiting} of its tier have not initialized")
        self._auto_begun.add(known.tier)

    def _adopt(self, known: _Known, command: commands.AdoptWorker, _: Event) -> None:
        self._alive(known, command)

    def _announce_up(self, known: _Known, command: commands.AnnounceUp, _: Event) -> None:
        self._alive(known, command)
        self._check("announce", known.initialized and not known.up, f"{command} before it initialized, or twice")
        known.up = True

    def _announce_down(self, known: _Known, command: commands.AnnounceDown, _: Event) -> None:
        right = known.up and command.incarnation == known.incarnation
        self._check("announce", right, f"{command}, which was not up")
        known.up = False

    def _evict(self, known: _Known, command: commands.EvictWorker, event: Event) -> None:
        self._alive(known, command)
        own = getattr(event, "driver", "") == command.driver
        just = known.doomed or self._overdue(known) or (own and isinstance(event, CONVICTING))
        farewell = self._may_stop(known) and (known.said_goodbye or not known.initialized)
        self._check("isolation" if self._shutdown is None else "stop order", just or farewell, f"{command} in answer to {event}")
        if isinstance(event, events.BeatRead) and own:
            patience_s = self._policy.patience_stopped_s if event.stopped else self._policy.patience_s
            self._check(
                "isolation", event.age_s > patience_s or known.doomed or self._overdue(known), f"{command} in answer to {event}"
            )
        known.doomed = True
        known.inhibits = False

    def _bury(self, known: _Known, command: commands.BuryWorker, _: Event) -> None:
        self._check(
            "dead life", known.body == "dead" and command.incarnation == known.incarnation, f"{command}, which is not dead"
        )

    def _publish_phase(self, known: _Known, command: commands.PublishPhase, _: Event) -> None:
        phase = Phase[command.phase]
        self._check("phases", phase in NEXT[known.phase], f"{known.spec.name}: {known.phase.name} -> {phase.name}")
        known.phase = phase

    def _alive(
        self, known: _Known, command: commands.RunVerb | commands.AdoptWorker | commands.AnnounceUp | commands.EvictWorker
    ) -> None:
        kill = isinstance(command, commands.EvictWorker)
        # A kill may be repeated until nothing is left, also once the process is dead: its children may live on.
        alive = known.body != "" if kill and known.doomed else known.body == "living" and (kill or not known.doomed)
        right = alive and command.incarnation == known.incarnation
        self._check("dead life", right, f"{command}, and life {known.incarnation} is {known.body or 'buried'}")

    def _may_stop(self, known: _Known) -> bool:
        return self._shutdown is not None and not any(other.body and other.tier > known.tier for other in self._known.values())

    def _overdue(self, known: _Known, slack_s: float = 0.0) -> bool:
        waits = bool(known.verb) or not known.greeted
        return (
            known.body == "living" and waits and self._now_s >= max(known.due_s, self._returned_s if slack_s else 0.0) + slack_s
        )

    def _check(self, invariant: str, holds: bool, text: str) -> None:  # noqa: FBT001  # it reads like an assertion
        self.checks += 1
        if not holds:
            self._broken(invariant, text)

    def _broken(self, invariant: str, text: str) -> None:
        self.breaches.append(Breach(invariant, self._now_s, text))
