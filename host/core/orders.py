"""Orders judged one by one, as they leave: may this one be given now, as far as anybody outside can know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tierhost.host.core import commands, events
from tierhost.host.core.lifecycle import NEXT, Phase
from tierhost.host.core.promises import Breach
from tierhost.host.core.witness import Known, Witness

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import Any

    from tierhost.host.core.commands import Command
    from tierhost.host.core.events import Event
    from tierhost.host.core.spec import DriverSpec, Policy

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


class Orders(Witness):
    """Judges every order about a driver by what its witness knows of it."""

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
        super().__init__(specs, policy, tier_names, flat=flat, already_started=already_started)
        self.breaches: list[Breach] = []
        self.checks = 0
        self._judge: dict[type, Callable[[Known, Any, Event], None]] = {
            commands.StartWorker: self._start,
            commands.RunVerb: self._run_verb,
            commands.AdoptWorker: self._adopt,
            commands.AnnounceUp: self._announce_up,
            commands.AnnounceDown: self._announce_down,
            commands.EvictWorker: self._evict,
            commands.BuryWorker: self._bury,
            commands.PublishPhase: self._publish_phase,
        }

    def _start(self, known: Known, command: commands.StartWorker, _: Event) -> None:
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

    def _barrier(self, known: Known, command: Command) -> None:
        self._check(
            "barrier",
            known.tier in self._begun,
            f"{command} while {self._waiting_below(known.tier)} of the tier below are not done",
        )

    def _run_verb(self, known: Known, command: commands.RunVerb, _: Event) -> None:
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

    def _together(self, known: Known, command: Command) -> None:
        if self._flat or known.tier in self._auto_begun:
            return
        siblings = [other for other in self._known.values() if other.tier == known.tier and other.spec.required]
        waiting = [other.spec.name for other in siblings if not other.ever_initialized]
        self._check("together", not waiting, f"{command} while {waiting} of its tier have not initialized")
        self._auto_begun.add(known.tier)

    def _adopt(self, known: Known, command: commands.AdoptWorker, _: Event) -> None:
        self._alive(known, command)

    def _announce_up(self, known: Known, command: commands.AnnounceUp, _: Event) -> None:
        self._alive(known, command)
        self._check("announce", known.initialized and not known.up, f"{command} before it initialized, or twice")
        known.up = True

    def _announce_down(self, known: Known, command: commands.AnnounceDown, _: Event) -> None:
        right = known.up and command.incarnation == known.incarnation
        self._check("announce", right, f"{command}, which was not up")
        known.up = False

    def _evict(self, known: Known, command: commands.EvictWorker, event: Event) -> None:
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

    def _bury(self, known: Known, command: commands.BuryWorker, _: Event) -> None:
        self._check(
            "dead life", known.body == "dead" and command.incarnation == known.incarnation, f"{command}, which is not dead"
        )

    def _publish_phase(self, known: Known, command: commands.PublishPhase, _: Event) -> None:
        phase = Phase[command.phase]
        self._check("phases", phase in NEXT[known.phase], f"{known.spec.name}: {known.phase.name} -> {phase.name}")
        known.phase = phase

    def _alive(
        self, known: Known, command: commands.RunVerb | commands.AdoptWorker | commands.AnnounceUp | commands.EvictWorker
    ) -> None:
        kill = isinstance(command, commands.EvictWorker)
        # A kill may be repeated until nothing is left, also once the process is dead: its children may live on.
        alive = known.body != "" if kill and known.doomed else known.body == "living" and (kill or not known.doomed)
        right = alive and command.incarnation == known.incarnation
        self._check("dead life", right, f"{command}, and life {known.incarnation} is {known.body or 'buried'}")

    def _check(self, invariant: str, holds: bool, text: str) -> None:  # noqa: FBT001  # it reads like an assertion
        self.checks += 1
        if not holds:
            self._broken(invariant, text)

    def _broken(self, invariant: str, text: str) -> None:
        self.breaches.append(Breach(invariant, self._now_s, text))
