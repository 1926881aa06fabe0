"""The judge's own picture of the world: learned from events alone, much simpler than the supervisor's, and owing it nothing."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tierhost.host.core import events
from tierhost.host.core.lifecycle import Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import Any

    from tierhost.host.core.events import Event
    from tierhost.host.core.spec import DriverSpec, Policy

SLACK_S: Final = 1.0
"""How much later than its limit a thing may be dealt with: the host forgives silence for a moment after it was late itself."""


@dataclass(slots=True)
class Known:
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


class Witness:
    """Sees one host's life, and says what is so."""

    def __init__(
        self,
        specs: Sequence[DriverSpec],
        policy: Policy,
        tier_names: Sequence[str],
        *,
        flat: bool = False,
        already_started: Collection[str] = (),
    ) -> None:
        """Take the same arguments as the supervisor that is watched."""
        self._policy = policy
        self._flat = flat
        self._known = {
            spec.name: Known(spec, 0 if flat else list(tier_names).index(spec.tier), spec.name in already_started)
            for spec in specs
        }
        self._begun = {-1}
        self._closed = sorted({known.tier for known in self._known.values()})
        self._auto_begun: set[int] = set()
        self._shutdown: events.ShutdownAsked | None = None
        self._ended = False
        self._now_s = self._returned_s = 0.0
        self._see: dict[type, Callable[[Known, Any], None]] = {
            events.LifeFound: self._life_found,
            events.IncarnationSeen: self._incarnation_seen,
            events.WorkerGreeted: self._greeted,
            events.VerbReported: self._verb_reported,
            events.WorkerExited: self._exited,
            events.WorkerBuried: self._buried,
            events.BeatRead: self._beat_read,
            events.InhibitChanged: self._inhibit_changed,
        }

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

    # What is learned from one event.

    def _life_found(self, known: Known, event: events.LifeFound) -> None:
        known.incarnation = event.incarnation
        known.used = max(known.used, event.incarnation)
        known.body, known.found = "living", True
        known.due_s = self._now_s + self._policy.adopt_s + known.spec.longest_s()

    def _incarnation_seen(self, known: Known, event: events.IncarnationSeen) -> None:
        known.used = max(known.used, event.incarnation)

    def _greeted(self, known: Known, event: events.WorkerGreeted) -> None:
        if known.greeted:
            return
        known.greeted = True
        known.due_s = self._now_s
        # A life that this host began has nothing behind it: one that claims otherwise lies.
        if event.phase and known.found:
            known.initialized = known.ever_initialized = True
            known.auto_answered |= event.phase == "state_auto_start"

    def _verb_reported(self, known: Known, event: events.VerbReported) -> None:
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

    def _exited(self, known: Known, _: events.WorkerExited) -> None:
        known.body, known.doomed = "dead", True
        known.inhibits = False

    def _buried(self, known: Known, _: events.WorkerBuried) -> None:
        known.body = ""

    def _beat_read(self, known: Known, event: events.BeatRead) -> None:
        patience_s = self._policy.patience_stopped_s if event.stopped else self._policy.patience_s
        # Only old beats are told: a long silence about a worker means that it was fine in between.
        if event.age_s <= patience_s or self._now_s - known.read_s > SLACK_S:
            known.guilty_s = None
        known.read_s = self._now_s
        importing = not (known.greeted or known.found or event.stopped)
        if event.age_s > patience_s and known.guilty_s is None and not importing:
            known.guilty_s = self._now_s

    def _inhibit_changed(self, known: Known, event: events.InhibitChanged) -> None:
        known.inhibits = event.held and not known.doomed

    # What follows from it.

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

    def _may_stop(self, known: Known) -> bool:
        return self._shutdown is not None and not any(other.body and other.tier > known.tier for other in self._known.values())

    def _overdue(self, known: Known, slack_s: float = 0.0) -> bool:
        waits = bool(known.verb) or not known.greeted
        return (
            known.body == "living" and waits and self._now_s >= max(known.due_s, self._returned_s if slack_s else 0.0) + slack_s
        )
