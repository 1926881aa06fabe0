"""What workers say and what is seen of them: greetings, answers, beats; and what follows for the life they speak of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierhost.host.core import commands
from tierhost.host.core.ending import Endings
from tierhost.host.core.lifecycle import Phase
from tierhost.host.core.track import After, Track

if TYPE_CHECKING:
    from tierhost.host.core import events

OUTCOMES = frozenset({"complete", "skipped", "failed"})


class Words(Endings):
    """Takes a living worker at its word as far as it was asked; whoever says more than that is evicted."""

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

    def _verb_reported(self, event: events.VerbReported, now_s: float) -> None:
        track = self._living(event, now_s)
        if track is None:
            return
        if track.phase is Phase.EVICTING:
            # It is too late for the rest, but what was auto-started in this boot was.
            answer = event.verb == "state_auto_start" and track.verbs == (event.verb,) and event.outcome in OUTCOMES
            track.auto_started = track.auto_started or answer
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
        if track is not None and track.phase is not Phase.EVICTING:
            track.inhibits = (event.why or "no reason given") if event.held else ""
