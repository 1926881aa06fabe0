"""The core's one door: facts in, orders out. Every decision about drivers is made here, and nothing else is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierhost.host.core import commands, events, restart, tiers
from tierhost.host.core.lifecycle import AT_REST, CALLABLE, Phase
from tierhost.host.core.liveness import Pulse
from tierhost.host.core.track import After, DriverView, Track, view

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import Any

    from tierhost.host.core.commands import Command
    from tierhost.host.core.events import Event
    from tierhost.host.core.spec import DriverSpec, Policy
    from tierhost.host.core.tiers import TierView

FLAT_TIER = "flat"
OUTCOMES = frozenset({"complete", "skipped", "failed"})
STOP_VERBS = ("state_shutdown_prepare", "state_shutdown_wait", "state_cleanup")


class Supervisor:
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
        self._policy = policy
        self._flat = flat
        self._tracks = {spec.name: Track(spec, auto_started=spec.name in already_started) for spec in specs}
        names = (FLAT_TIER,) if flat else tuple(tier_names)
        self._tiers = {name: [track for track in self._tracks.values() if flat or track.spec.tier == name] for name in names}
        self._opened = 0
        self._shown: dict[str, TierView] = {}
        self._pulse = Pulse(policy)
        self._shutdown: events.ShutdownAsked | None = None
        self._ended = False
        self._out: list[Command] = []
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

    # The door, and what can be seen through it.

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

    def drivers(self) -> list[DriverView]:
        """Every driver, in the order in which they start."""
        return [view(track) for tier in self._tiers.values() for track in tier]

    def driver(self, name: str) -> DriverView:
        """One driver."""
        return view(self._tracks[name])

    def tiers(self) -> list[TierView]:
        """Every tier, lowest first."""
        views: list[TierView] = []
        for number, (name, tier) in enumerate(self._tiers.items()):
            views.append(tiers.state_of(name, tier, is_open=number < self._opened, below=views[-1] if views else None))
        return views

    def story(self, name: str) -> tuple[str, ...]:
        """What happened to one driver lately."""
        return self._tracks[name].story.lines()

    def is_stopping(self) -> bool:
        """Whether the host is on its way out."""
        return self._shutdown is not None

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
        self._move(track, Phase.ADOPTING, now_s, limit_s=self._policy.adopt_s)

    def _host_started(self, _: events.HostStarted, now_s: float) -> None:
        self._opened = 1

    # A life begins.

    def _start(self, track: Track, now_s: float) -> None:
        track.incarnation += 1
        track.greeted = track.adopted = track.exited = False
        track.verbs = ()
        self._move(track, Phase.INITIALIZING, now_s, limit_s=self._policy.greet_s)
        self._out.append(commands.StartWorker(track.name, track.incarnation))

    def _worker_started(self, event: events.WorkerStarted, now_s: float) -> None:
        track = self._living(event, now_s)
        if track is not None:
            track.story.tell(now_s, f"life {event.incarnation}: pid {event.pid}")

    def _start_failed(self, event: events.WorkerStartFailed, now_s: float) -> None:
        track = self._living(event, now_s)
        if track is not None and track.phase is not Phase.EVICTING:
            self._fail(track, event.reason, now_s)

    def _greeted(self, event: events.WorkerGreeted, now_s: float) -> None:
        track = self._living(event, now_s)
        if track is None or track.phase is Phase.EVICTING:
            return
        if track.phase is Phase.ADOPTING:
            self._adopt(track, event.phase, now_s)
        elif track.phase is Phase.INITIALIZING and not track.greeted and not event.phase:
            track.greeted = True
            self._run(track, "state_initialize", now_s)
        elif track.adopted:
            # It says so until it is welcomed, and a late host reads all of it.
            track.story.tell(now_s, f"life {track.incarnation}: greets again")
        else:
            self._fail(track, "it said hello a second time", now_s)

    def _adopt(self, track: Track, phase: str, now_s: float) -> None:
        if phase not in {"state_initialize", "state_auto_start"}:
            self._evict(track, "its former host died before it was initialized", After.RESTART, now_s)
            return
        track.greeted = track.adopted = True
        track.past_initialize = True
        self._out.append(commands.AdoptWorker(track.name, track.incarnation))
        if phase == "state_auto_start":
            track.auto_started = True
        if track.auto_started:
            self._ready(track, now_s)
        else:
            self._move(track, Phase.INITIALIZED, now_s)
        self._announce(track)

    # A life goes on.

    def _run(self, track: Track, verb: str, now_s: float) -> None:
        limit_s = track.spec.limit_s(verb)
        track.deadline_s = now_s + limit_s
        track.verbs = (verb,)
        self._out.append(commands.RunVerb(track.name, track.incarnation, verb, limit_s))

    def _verb_reported(self, event: events.VerbReported, now_s: float) -> None:
        track = self._living(event, now_s)
        if track is None:
            return
        if track.phase is Phase.EVICTING:
            # It is too late for the rest, but what was auto-started in this boot was.
            track.auto_started = track.auto_started or (event.verb == "state_auto_start" and track.verbs == (event.verb,))
            return
        if track.verbs[:1] != (event.verb,) and (track.adopted or track.phase is Phase.ADOPTING):
            track.story.tell(now_s, f"life {track.incarnation}: answers a former host about {event.verb}")
            return
        if track.verbs[:1] != (event.verb,) or event.outcome not in OUTCOMES:
            self._fail(track, f"it reported {event.verb} as {event.outcome}, and nobody had asked for that", now_s)
            return
        track.verbs = ()
        track.auto_started = track.auto_started or event.verb == "state_auto_start"
        if track.phase in {Phase.STOPPING, Phase.CLEANING_UP}:
            self._go_on_stopping(track, now_s)
        elif track.phase is Phase.INITIALIZING:
            self._initialized(track, event, now_s)
        else:
            if event.outcome == "failed":
                track.last_error = f"{event.verb}: {event.reason}"
            self._ready(track, now_s, track.last_error if event.outcome == "failed" else "")

    def _initialized(self, track: Track, event: events.VerbReported, now_s: float) -> None:
        if event.outcome == "failed":
            self._fail(track, f"state_initialize: {event.reason}", now_s)
        elif event.outcome == "skipped":
            track.reason = event.reason
            self._evict(track, event.reason, After.SKIP, now_s)
        else:
            track.past_initialize = True
            self._move(track, Phase.INITIALIZED, now_s)
            self._announce(track)

    def _ready(self, track: Track, now_s: float, reason: str = "") -> None:
        track.past_auto_start = True
        self._move(track, Phase.READY, now_s, reason)

    def _announce(self, track: Track) -> None:
        track.announced = True
        self._out.append(commands.AnnounceUp(track.name, track.incarnation))

    def _beat_read(self, event: events.BeatRead, now_s: float) -> None:
        track = self._living(event, now_s)
        if track is None or track.phase is Phase.EVICTING:
            return
        if track.phase is Phase.INITIALIZING and not track.greeted and not event.stopped:
            # Before its first hello it imports its driver, and has another deadline.
            return
        if self._pulse.is_lost(event, now_s):
            how = "is stopped" if event.stopped else "hangs"
            self._fail(track, f"its last beat is {event.age_s:.1f} s old: it {how}", now_s)

    def _protocol_broken(self, event: events.ProtocolBroken, now_s: float) -> None:
        track = self._living(event, now_s)
        if track is not None and track.phase is not Phase.EVICTING:
            self._fail(track, f"it broke the protocol: {event.reason}", now_s)

    def _inhibit_changed(self, event: events.InhibitChanged, now_s: float) -> None:
        track = self._living(event, now_s)
        if track is not None:
            track.inhibits = (event.why or "no reason given") if event.held else ""

    # A life ends.

    def _fail(self, track: Track, reason: str, now_s: float) -> None:
        """End a life for what it did. It counts as a failure, unless the driver is on its way down anyway."""
        track.last_error = reason
        if self._is_going_down(track):
            self._evict(track, reason, After.STOP, now_s)
            return
        track.failures = restart.add_failure(track.failures, now_s, self._policy)
        self._evict(track, reason, After.RETRY, now_s)

    def _is_going_down(self, track: Track) -> bool:
        return self._shutdown is not None or track.phase in {Phase.STOPPING, Phase.CLEANING_UP} or track.after is After.STOP

    def _evict(self, track: Track, reason: str, after: After, now_s: float) -> None:
        self._bring_down(track, after, reason, now_s)
        if not track.exited:
            self._out.append(commands.EvictWorker(track.name, track.incarnation, reason))

    def _bring_down(self, track: Track, after: After, reason: str, now_s: float) -> None:
        """Say at once that nobody can call it any more; the rest can wait."""
        track.after = after
        track.inhibits = ""
        if track.announced:
            track.announced = False
            self._out.append(commands.AnnounceDown(track.name, track.incarnation))
        self._move(track, Phase.EVICTING, now_s, reason, limit_s=self._policy.evict_s)

    def _exited(self, event: events.WorkerExited, now_s: float) -> None:
        track = self._living(event, now_s)
        if track is None or track.exited:
            return
        track.exited = True
        if track.phase is not Phase.EVICTING:
            self._fail(track, event.how, now_s)
        self._out.append(commands.BuryWorker(track.name, track.incarnation))

    def _buried(self, event: events.WorkerBuried, now_s: float) -> None:
        track = self._living(event, now_s)
        if track is None or track.phase is not Phase.EVICTING:
            return
        after, track.after = track.after, After.RETRY
        if self._shutdown is not None or after is After.STOP:
            self._move(track, Phase.STOPPED, now_s)
        elif after is After.SKIP:
            track.past_initialize = track.past_auto_start = True
            self._move(track, Phase.SKIPPED, now_s, track.reason)
        elif restart.is_too_many(track.failures, self._policy):
            self._move(track, Phase.QUARANTINED, now_s, track.last_error)
        else:
            track.restarts += 1
            wait_s = restart.backoff_s(track.failures, self._policy) if after is After.RETRY else 0.0
            if wait_s > 0:
                self._move(track, Phase.BACKOFF, now_s, track.last_error, limit_s=wait_s)
            else:
                self._start_or_wait(track, now_s)

    def _start_or_wait(self, track: Track, now_s: float) -> None:
        if self._is_open(track):
            self._start(track, now_s)
        else:
            self._move(track, Phase.DORMANT, now_s)

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

    # The way down.

    def _stop(self, track: Track, verbs: tuple[str, ...], now_s: float) -> None:
        """Take one driver down: with its verbs if it is between verbs, else by eviction. Nothing of it is restarted."""
        if track.phase in {Phase.STOPPING, Phase.CLEANING_UP, Phase.STOPPED}:
            return
        if track.phase in AT_REST:
            self._move(track, Phase.STOPPED, now_s)
        elif track.phase is Phase.EVICTING:
            track.after = After.STOP
        elif track.phase in {Phase.INITIALIZING, Phase.ADOPTING}:
            self._evict(track, "it has nothing to give back yet", After.STOP, now_s)
        elif track.verbs:
            # One verb at a time: the verbs of farewell follow the one that is under way, within its limit.
            deadline_s = track.deadline_s
            self._move(track, Phase.STOPPING, now_s)
            track.after, track.deadline_s, track.to_stop = After.STOP, deadline_s, (*track.verbs, *verbs)
        else:
            self._move(track, Phase.STOPPING, now_s)
            track.after = After.STOP
            self._go_on_stopping(track, now_s, verbs)

    def _go_on_stopping(self, track: Track, now_s: float, verbs: tuple[str, ...] = ()) -> None:
        track.to_stop = verbs or track.to_stop[1:]
        if not track.to_stop:
            self._evict(track, "all its verbs are done", After.STOP, now_s)
            return
        if track.to_stop[0] == "state_cleanup":
            self._move(track, Phase.CLEANING_UP, now_s)
        self._run(track, track.to_stop[0], now_s)

    def _shutdown_asked(self, event: events.ShutdownAsked, now_s: float) -> None:
        reasons = tuple(f"{track.name}: {track.inhibits}" for track in self._tracks.values() if track.inhibits)
        if reasons and not event.force and not event.save:
            self._out.append(commands.RefuseShutdown(reasons))
            return
        if self._shutdown is None:
            self._shutdown = event

    def _go_down(self, now_s: float) -> None:
        """Stop tier after tier, the highest first."""
        save = self._shutdown is not None and self._shutdown.save
        for tier in reversed(self._tiers.values()):
            for track in tier:
                self._stop(track, ("state_stop", *STOP_VERBS) if save else STOP_VERBS, now_s)
            if any(track.phase is not Phase.STOPPED for track in tier):
                return
        if not self._ended:
            self._ended = True
            self._out.append(commands.EndHost())

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
            for track in tier:
                if track.phase is Phase.INITIALIZED and (self._flat or tiers.may_auto_start(tier)):
                    self._auto_start(track, now_s)

    def _auto_start(self, track: Track, now_s: float) -> None:
        if track.auto_started:
            self._ready(track, now_s)
            return
        self._move(track, Phase.AUTOSTARTING, now_s)
        self._run(track, "state_auto_start", now_s)

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

    # Small things.

    def _is_open(self, track: Track) -> bool:
        return any(track in tier for tier in list(self._tiers.values())[: self._opened])

    def _living(self, event: Any, now_s: float) -> Track | None:
        """The track whose current life the event speaks of. Words of an earlier life are true, and stale."""
        track = self._tracks.get(event.driver)
        if track is None:
            return None
        if event.incarnation != track.incarnation or not track.has_body:
            track.story.tell(now_s, f"life {event.incarnation}: late {type(event).__name__}")
            return None
        return track

    def _move(self, track: Track, phase: Phase, now_s: float, reason: str = "", *, limit_s: float | None = None) -> None:
        track.move(phase, now_s, reason, limit_s=limit_s)
        self._out.append(commands.PublishPhase(track.name, track.incarnation, phase.name, reason))
