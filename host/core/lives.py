"""What every decision rests on: the drivers and their tiers, and the few orders by which a life begins and goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierhost.host.core import commands, tiers
from tierhost.host.core.lifecycle import Phase
from tierhost.host.core.liveness import Pulse
from tierhost.host.core.track import DriverView, Track, view

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Any

    from tierhost.host.core import events
    from tierhost.host.core.commands import Command
    from tierhost.host.core.spec import DriverSpec, Policy
    from tierhost.host.core.tiers import TierView

FLAT_TIER = "flat"


class Lives:
    """The drivers of one host and where each of them is. Knows orders, not yet what facts they follow from."""

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

    # What can be seen.

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

    # A life begins and goes on.

    def _start(self, track: Track, now_s: float) -> None:
        track.incarnation += 1
        track.greeted = track.adopted = track.exited = False
        track.verbs = ()
        self._move(track, Phase.INITIALIZING, now_s, limit_s=self._policy.greet_s)
        self._out.append(commands.StartWorker(track.name, track.incarnation))

    def _start_or_wait(self, track: Track, now_s: float) -> None:
        if self._is_open(track):
            self._start(track, now_s)
        else:
            self._move(track, Phase.DORMANT, now_s)

    def _run(self, track: Track, verb: str, now_s: float) -> None:
        limit_s = track.spec.limit_s(verb)
        track.deadline_s = now_s + limit_s
        track.verbs = (verb,)
        self._out.append(commands.RunVerb(track.name, track.incarnation, verb, limit_s))

    def _ready(self, track: Track, now_s: float, reason: str = "") -> None:
        track.past_auto_start = True
        self._move(track, Phase.READY, now_s, reason)

    def _auto_start(self, track: Track, now_s: float) -> None:
        if track.auto_started:
            self._ready(track, now_s)
            return
        self._move(track, Phase.AUTOSTARTING, now_s)
        self._run(track, "state_auto_start", now_s)

    def _announce(self, track: Track) -> None:
        track.announced = True
        self._out.append(commands.AnnounceUp(track.name, track.incarnation))

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
