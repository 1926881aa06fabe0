"""The judge: looks at every event and at the commands as they leave, and says which promise was broken.

It keeps its own, much simpler picture of the world and shares no decision with the supervisor it judges. The simulation
asks it after every event; a drill can replay a journal into it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierhost.host.core import commands, events
from tierhost.host.core.lifecycle import Phase
from tierhost.host.core.orders import Orders
from tierhost.host.core.witness import SLACK_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierhost.host.core.commands import Command
    from tierhost.host.core.events import Event


class Invariants(Orders):
    """Judges one host's life. `breaches` grows; it starts empty and stays so if the supervisor keeps its promises."""

    def after(self, event: Event, now_s: float, given: Sequence[Command]) -> None:
        """Judge what was ordered in answer to one event."""
        if now_s - self._now_s > self._policy.patience_stopped_s:
            self._returned_s = now_s
        self._now_s = now_s
        if self._ended and given:
            self._broken("end", f"{given[0]} after EndHost")
        stale = self._take(event)
        if not stale:
            self._beats(event)
        if self._closed:
            self._open()
        if isinstance(event, events.ShutdownAsked):
            self._shutdown_asked(event, given)
        for command in given:
            self._command(command, event, stale=stale)
        self._at_once(event, given)

    def _command(self, command: Command, event: Event, *, stale: bool) -> None:
        self.checks += 1
        if isinstance(command, commands.PublishTier):
            return
        if isinstance(command, commands.RefuseShutdown):
            self._check("inhibit", isinstance(event, events.ShutdownAsked), f"{command} in answer to {event}")
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

    def _shutdown_asked(self, event: events.ShutdownAsked, given: Sequence[Command]) -> None:
        holding = [known.spec.name for known in self._known.values() if known.inhibits]
        to_be_refused = bool(holding) and not event.force and not event.save
        refused = any(isinstance(command, commands.RefuseShutdown) for command in given)
        self._check(
            "inhibit", refused == to_be_refused, f"{event} was {'' if refused else 'not '}refused, and {holding} hold it off"
        )

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

    def _beats(self, event: Event) -> None:
        """Who was silent for too long must have been ended by now."""
        known = self._known.get(getattr(event, "driver", "")) if isinstance(event, events.BeatRead) else None
        if known is None or known.guilty_s is None or known.body != "living" or known.doomed:
            return
        # A host that was away gives a moment, each time.
        silent_s = self._now_s - max(known.guilty_s, self._returned_s)
        self._check("beat", silent_s <= SLACK_S, f"{known.spec.name} is known not to beat for {silent_s:.1f} s")
