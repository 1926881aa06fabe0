"""Planted bugs: for every promise a supervisor that breaks it, each by a mistake that somebody could make."""

from __future__ import annotations

from typing import Any, Final

from tierhost.host.core import commands, events
from tierhost.host.core.ending import STOP_VERBS
from tierhost.host.core.lifecycle import Phase
from tierhost.host.core.supervisor import Supervisor
from tierhost.host.core.track import After, Track


class OpensEveryTier(Supervisor):
    """Has no barrier: every tier opens with the first."""

    def _open_tiers(self, now_s: float) -> None:
        if self._opened:
            self._opened = len(self._tiers)
        super()._open_tiers(now_s)


class AutoStartsAtOnce(Supervisor):
    """Does not wait for the rest of the tier."""

    def _open_tiers(self, now_s: float) -> None:
        for track in self._tracks.values():
            if track.phase is Phase.INITIALIZED:
                self._auto_start(track, now_s)
        super()._open_tiers(now_s)


class StartsBesideTheDead(Supervisor):
    """Restarts on the death of the process, with what it left still there."""

    def _exited(self, event: events.WorkerExited, now_s: float) -> None:
        super()._exited(event, now_s)
        track = self._tracks.get(event.driver)
        if track is not None and track.exited and track.phase is Phase.EVICTING and track.after is After.RETRY:
            self._start(track, now_s)


class CountsFromItsOwnBirth(Supervisor):
    """Does not heed the lives that a former host numbered."""

    def _incarnation_seen(self, event: events.IncarnationSeen, now_s: float) -> None:
        pass


class ForgetsToAnnounceDeath(Supervisor):
    """Takes a life down and lets the others go on calling it."""

    def _bring_down(self, track: Track, after: After, reason: str, now_s: float) -> None:
        track.announced = False
        super()._bring_down(track, after, reason, now_s)


class AutoStartsEveryLife(Supervisor):
    """Auto-starts again after each restart."""

    def _start(self, track: Track, now_s: float) -> None:
        track.auto_started = False
        super()._start(track, now_s)


class BuriesTheLiving(Supervisor):
    """Sweeps a life's cgroup before the process is dead."""

    def _evict(self, track: Track, reason: str, after: After, now_s: float) -> None:
        super()._evict(track, reason, after, now_s)
        self._out.append(commands.BuryWorker(track.name, track.incarnation))


class ReloadsDuringAutoStart(Supervisor):
    """Orders a verb while another is under way."""

    def _reload_wanted(self, now_s: float) -> None:
        for track in self._tracks.values():
            if track.wanted_reload and track.phase is Phase.AUTOSTARTING:
                track.wanted_reload = False
                self._run(track, "state_reload", now_s)
        super()._reload_wanted(now_s)


class BelievesTheDead(Supervisor):
    """Takes every word for one of the current life."""

    def _living(self, event: Any, now_s: float) -> Track | None:
        track = self._tracks.get(event.driver)
        return track if track is not None and track.has_body else None


class RestartsTheNeighbours(Supervisor):
    """When one fails, all of its tier are restarted: what some supervisors call one for all."""

    def _fail(self, track: Track, reason: str, now_s: float) -> None:
        super()._fail(track, reason, now_s)
        for other in self._tracks.values():
            if other.phase is Phase.READY and other.spec.tier == track.spec.tier and self._shutdown is None:
                self._evict(other, f"{track.name} failed", After.RESTART, now_s)


class NeverGivesUp(Supervisor):
    """Forgives every failure with the burial."""

    def _buried(self, event: events.WorkerBuried, now_s: float) -> None:
        track = self._tracks.get(event.driver)
        if track is not None:
            track.failures = ()
        super()._buried(event, now_s)


class WaitsForEver(Supervisor):
    """Gives verbs no deadline."""

    def _run(self, track: Track, verb: str, now_s: float) -> None:
        super()._run(track, verb, now_s)
        track.deadline_s = None


class FeelsNoPulse(Supervisor):
    """Does not look at beats."""

    def _beat_read(self, event: events.BeatRead, now_s: float) -> None:
        pass


class StopsFromTheBottom(Supervisor):
    """Stops storage while guests still run on it."""

    def _go_down(self, now_s: float) -> None:
        for tier in self._tiers.values():
            for track in tier:
                self._stop(track, STOP_VERBS, now_s)
        super()._go_down(now_s)


class LeavesBodies(Supervisor):
    """Ends with the order to stop, not with the last worker."""

    def _go_down(self, now_s: float) -> None:
        super()._go_down(now_s)
        if not self._ended:
            self._ended = True
            self._out.append(commands.EndHost())


class HeldByTheDead(Supervisor):
    """Lets a life that is over hold the shutdown off."""

    def _bring_down(self, track: Track, after: After, reason: str, now_s: float) -> None:
        inhibits = track.inhibits
        super()._bring_down(track, after, reason, now_s)
        track.inhibits = inhibits


class HeldByNobody(Supervisor):
    """Goes down whoever holds the shutdown off."""

    def _shutdown_asked(self, event: events.ShutdownAsked, now_s: float) -> None:
        super()._shutdown_asked(events.ShutdownAsked(event.save, force=True), now_s)


class SaysReadyTwice(Supervisor):
    """Publishes a phase that the driver is in already."""

    def _ready(self, track: Track, now_s: float, reason: str = "") -> None:
        super()._ready(track, now_s, reason)
        self._out.append(commands.PublishPhase(track.name, track.incarnation, Phase.READY.name, reason))


class SleepsThroughBackoff(Supervisor):
    """Forgets when a wait is to end."""

    def _buried(self, event: events.WorkerBuried, now_s: float) -> None:
        super()._buried(event, now_s)
        track = self._tracks.get(event.driver)
        if track is not None and track.phase is Phase.BACKOFF:
            track.deadline_s = None


PLANTED: Final[tuple[tuple[str, type[Supervisor]], ...]] = (
    ("barrier", OpensEveryTier),
    ("together", AutoStartsAtOnce),
    ("one body", StartsBesideTheDead),
    ("incarnation", CountsFromItsOwnBirth),
    ("announce", ForgetsToAnnounceDeath),
    ("auto start", AutoStartsEveryLife),
    ("dead life", BuriesTheLiving),
    ("one verb", ReloadsDuringAutoStart),
    ("stale", BelievesTheDead),
    ("isolation", RestartsTheNeighbours),
    ("intensity", NeverGivesUp),
    ("deadline", WaitsForEver),
    ("beat", FeelsNoPulse),
    ("stop order", StopsFromTheBottom),
    ("end", LeavesBodies),
    ("inhibit", HeldByTheDead),
    ("inhibit", HeldByNobody),
    ("phases", SaysReadyTwice),
    ("settles", SleepsThroughBackoff),
)
"""The promise that is broken, and who breaks it."""
