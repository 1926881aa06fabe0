"""The core's one door: facts in, orders out. Every decision about drivers is made behind it, and nothing else is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierhost.host.core import commands, events, tiers
from tierhost.host.core.ending import STOP_VERBS
from tierhost.host.core.lifecycle import AT_REST, CALLABLE, Phase
from tierhost.host.core.track import After, Track
from tierhost.host.core.words import Words

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import Any

    from tierhost.host.core.commands import Command
    from tierhost.host.core.events import Event
    from tierhost.host.core.spec import DriverSpec, Policy


class Supervisor(Words):
    """Decides. Has no clock, no processes and no sockets: `handle` is told what happened and when, and returns orders."""

    def __init__(
        self,
        specs: Sequence[DriverSpec],
        policy: Policy,
        tier_names: Sequence[str],
        *,
        flat: bool = False,
        already_started: Collection[str] = (),
    ) -> None:
        """`already_started`: drivers that auto-started in this boot. `flat`: one tier and no barrier, to show the race."""
        super().__init__(specs, policy, tier_names, flat=flat, already_started=already_started)
        self._take: dict[type, Callable[[Any, float], None]] = {
            events.HostStarted: self._host_started,
            events.LifeFound: self._life_found,
            events.IncarnationSeen: self._incarnation_seen,
            events.WorkerStarted: self._worker_started,
            events.WorkerStartFailed: self._start_failed,
            events.WorkerGreeted: self._greeted,
            events.VerbReported: self._verb_reported,
            events.WorkerExited: self._exited,
            events.WorkerBuried: self._buried,
            events.BeatRead: self._beat_read,
            events.ProtocolBroken: self._protocol_broken,
            events.InhibitChanged: self._inhibit_changed,
            events.RestartAsked: self._restart_asked,
            events.StopAsked: self._stop_asked,
            events.ReleaseAsked: self._release_asked,
            events.ReloadAsked: self._reload_asked,
            events.ShutdownAsked: self._shutdown_asked,
            events.TimePassed: lambda _event, _now_s: None,
        }

    # The door.

    def handle(self, event: Event, now_s: float) -> list[Command]:
        """Take one fact and return what is to be done, in this order. `now_s` never goes back."""
        self._out = []
        self._pulse.host_ran(now_s)
        self._take[type(event)](event, now_s)
        self._check_deadlines(now_s)
        self._advance(now_s)
        return self._out

    def deadline_s(self, now_s: float) -> float | None:
        """When to be told that TimePassed, at the latest."""
        return min((self._due_s(track, now_s) for track in self._tracks.values() if track.deadline_s is not None), default=None)

    # A host begins.

    def _incarnation_seen(self, event: events.IncarnationSeen, _: float) -> None:
        track = self._tracks.get(event.driver)
        if track is not None:
            track.incarnation = max(track.incarnation, event.incarnation)

    def _life_found(self, event: events.LifeFound, now_s: float) -> None:
        track = self._tracks.get(event.driver)
        if track is None:
            self._out.append(commands.EvictWorker(event.driver, event.incarnation, "no driver of this name is configured"))
            return
        track.incarnation = max(track.incarnation, event.incarnation)
        self._move(track, Phase.ADOPTING, now_s, limit_s=self._policy.adopt_s + track.spec.longest_s())

    def _host_started(self, _: events.HostStarted, now_s: float) -> None:
        self._opened = 1

    # People.

    def _restart_asked(self, event: events.RestartAsked, now_s: float) -> None:
        track = self._tracks[event.driver]
        if self._shutdown is not None:
            return
        if track.phase in AT_REST:
            self._release_asked(events.ReleaseAsked(event.driver), now_s)
        elif track.phase is not Phase.EVICTING:
            self._evict(track, "a person asked for a restart", After.RESTART, now_s)

    def _release_asked(self, event: events.ReleaseAsked, now_s: float) -> None:
        track = self._tracks[event.driver]
        if self._shutdown is None and track.phase in AT_REST - {Phase.DORMANT}:
            track.failures = ()
            self._start_or_wait(track, now_s)

    def _stop_asked(self, event: events.StopAsked, now_s: float) -> None:
        track = self._tracks[event.driver]
        track.last_error = "stopped by a person"
        self._stop(track, STOP_VERBS, now_s)

    def _reload_asked(self, event: events.ReloadAsked, now_s: float) -> None:
        for track in self._tracks.values():
            if (not event.driver or event.driver == track.name) and self._shutdown is None:
                track.wanted_reload = track.phase in CALLABLE

    # What follows from where everybody is.

    def _check_deadlines(self, now_s: float) -> None:
        for track in self._tracks.values():
            if track.deadline_s is None or now_s < self._due_s(track, now_s):
                continue
            if track.phase is Phase.BACKOFF:
                self._start_or_wait(track, now_s)
            elif track.phase is Phase.EVICTING:
                track.deadline_s = now_s + self._policy.evict_s
                track.last_error = "it cannot be killed; the kernel holds it"
                self._out.append(commands.EvictWorker(track.name, track.incarnation, track.last_error))
            else:
                self._fail(track, f"{track.verbs[0] if track.verbs else 'its hello'} took too long", now_s)

    def _due_s(self, track: Track, now_s: float) -> float:
        """When to act on a track's deadline: a late host first reads what has arrived while it was away."""
        deadline_s = now_s if track.deadline_s is None else track.deadline_s
        return deadline_s if track.phase is Phase.BACKOFF else max(deadline_s, self._pulse.excused_until_s)

    def _advance(self, now_s: float) -> None:
        if self._shutdown is not None:
            self._go_down(now_s)
        else:
            self._open_tiers(now_s)
            self._reload_wanted(now_s)
        self._show_tiers()

    def _open_tiers(self, now_s: float) -> None:
        for number, tier in enumerate(self._tiers.values()):
            if number >= self._opened:
                # The barrier: not before every worker below has reported init and autostart done.
                if self._opened == 0 or not tiers.is_through(list(self._tiers.values())[number - 1]):
                    return
                self._opened = number + 1
            for track in tier:
                if track.phase is Phase.DORMANT:
                    self._start(track, now_s)
            initialized = [track for track in tier if track.phase is Phase.INITIALIZED]
            for track in initialized if self._flat or (initialized and tiers.may_auto_start(tier)) else ():
                self._auto_start(track, now_s)

    def _reload_wanted(self, now_s: float) -> None:
        for track in self._tracks.values():
            if track.wanted_reload and track.phase is Phase.READY:
                track.wanted_reload = False
                self._move(track, Phase.RELOADING, now_s)
                self._run(track, "state_reload", now_s)

    def _show_tiers(self) -> None:
        for tier in self.tiers():
            if self._opened and self._shown.get(tier.name) != tier:
                self._shown[tier.name] = tier
                self._out.append(commands.PublishTier(tier.name, tier.state, tier.reason))
