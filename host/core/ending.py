"""How lives end: for what they did, because they are dead, or because somebody wants them to; and what follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierhost.host.core import commands, restart
from tierhost.host.core.lifecycle import AT_REST, Phase
from tierhost.host.core.lives import Lives
from tierhost.host.core.track import After, Track

if TYPE_CHECKING:
    from tierhost.host.core import events

STOP_VERBS = ("state_shutdown_prepare", "state_shutdown_wait", "state_cleanup")


class Endings(Lives):
    """Evicts, buries, restarts, gives up, and takes everything down in order."""

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

    # Facts about the dead.

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
