"""Runs one drill on one target: steady, look, load, calls, strikes, heal, settle, look, steady. What happened is a History."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from tierhost.drills.history import History, Probed
from tierhost.drills.hypothesis import probe_all
from tierhost.drills.load import Stream
from tierhost.drills.recording import Recorder
from tierhost.drills.striking import Striker, settle
from tierhost.ipc.errors import TierhostError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierhost.drills.history import Look
    from tierhost.drills.plan import Drill
    from tierhost.drills.targets import Target

STEADY_LIMIT_S: Final = 20.0
SETTLE_LIMIT_S: Final = 30.0
LOOK_AGAIN_S: Final = 0.005
CONTROL_S: Final = 0.2
"""So long the load runs before anything is broken: what calls cost without a fault."""
AFTER_S: Final = 0.1
"""So long the load runs after everything settled."""


@runtime_checkable
class Settles(Protocol):
    """A target that knows what it is still doing."""

    def unsettled(self) -> list[str]:
        """Say what is under way; nothing when all is at rest."""


@dataclass(slots=True)
class Run:
    """One run. The target was set up by whoever calls `go`, and is closed by it."""

    drill: Drill
    target: Target
    seed: int
    tell: Callable[[str], None]
    recorder: Recorder = field(init=False)
    _began_s: float = 0.0
    _looks: list[Look] = field(default_factory=list)
    _probes: list[Probed] = field(default_factory=list)
    _notes: list[str] = field(default_factory=list)
    _strikers: list[Striker] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.recorder = Recorder(self.target)

    def go(self) -> History:
        """Run it. Raises BadPlan; everything else that goes wrong is in the history."""
        self._began_s = time.monotonic()
        deadline_s = self._began_s + self.drill.abort_after_s
        if not self._steady("before", STEADY_LIMIT_S):
            self._note("not steady: nothing was broken")
            return self._history()
        self._look("before")
        start = threading.Event()
        try:
            self._arm(start)
            with Stream(self.drill.load, self.recorder):
                threading.Event().wait(CONTROL_S if self.drill.load.asks else 0.0)
                self._break(start, deadline_s)
                self._heal()
                self._settle(deadline_s)
                threading.Event().wait(AFTER_S if self.drill.load.asks else 0.0)
        finally:
            self._heal()
        self._look("after")
        return self._history()

    # Before.

    def _arm(self, start: threading.Event) -> None:
        drivers = tuple(row["name"] for row in self._looks[-1].status.get("drivers", ()))
        for number, fault in enumerate(settle(self.drill.faults, drivers, self.seed), 1):
            self._strikers.append(Striker.make(number, fault, self.target, self.recorder, start))
        prepared = [striker.make_ready() for striker in self._strikers]
        if any(prepared):
            # What was put in place is no leftover: it was there before anything was broken.
            self._look("before")

    def _steady(self, label: str, limit_s: float) -> bool:
        """Ask the probes until all hold or the time is over; keep the last answers."""
        deadline_s = time.monotonic() + limit_s
        while True:
            found = probe_all(self.drill.steady, self.recorder, label)
            if all(probed.held for probed in found) or time.monotonic() > deadline_s:
                break
            threading.Event().wait(LOOK_AGAIN_S)
        self._probes += found
        return all(probed.held for probed in found)

    def _look(self, label: str) -> None:
        self._looks.append(self.target.look(label))

    # Meanwhile.

    def _break(self, start: threading.Event, deadline_s: float) -> None:
        """Let the faults loose, make the drill's own calls, and wait until every fault struck or gave up."""
        for striker in self._strikers:
            striker.begin()
        start.set()
        self.tell(f"steady, {len(self._strikers)} faults armed, {len(self.drill.asks)} calls to make")
        pace_s = float(self.drill.options.get("pace_s", 0.0))
        for ask in self.drill.asks:
            if time.monotonic() > deadline_s:
                self._note(f"aborted after {self.drill.abort_after_s:g} s, before {ask.method}")
                break
            self.recorder.make(ask)
            threading.Event().wait(pace_s)
        for striker in self._strikers:
            if not striker.wait(deadline_s):
                self._note(f"aborted after {self.drill.abort_after_s:g} s: fault {striker.number} is still under way")
            strike = striker.strike()
            fired = "struck" if strike.fired_s is not None else "did not fire"
            self.tell(f"fault {strike.number} ({strike.kind} of {strike.target}, {strike.point}) {fired}: {strike.proof}")

    def _heal(self) -> None:
        """Heal in reverse order; one that fails leaves the others healed."""
        for striker in reversed(self._strikers):
            try:
                striker.heal()
            except (TierhostError, OSError) as error:
                self._note(f"fault {striker.number} could not be healed: {error}")

    def _settle(self, deadline_s: float) -> None:
        """Wait until nothing is under way any more, and it is steady again."""
        healed_s = time.monotonic()
        limit_s = min(float(self.drill.options.get("settle_s", SETTLE_LIMIT_S)), max(1.0, deadline_s - healed_s))
        moving: list[str] = []
        while isinstance(self.target, Settles) and (moving := self.target.unsettled()):
            if time.monotonic() > healed_s + limit_s:
                self._note(f"not settled {limit_s:g} s after it was healed: {'; '.join(moving)}")
                break
            threading.Event().wait(LOOK_AGAIN_S)
        steady = self._steady("after", max(1.0, healed_s + limit_s - time.monotonic()))
        took_s = time.monotonic() - healed_s
        self.tell(f"{'settled' if steady and not moving else 'not steady'} {took_s * 1000:.0f} ms after it was healed")

    # After.

    def _note(self, text: str) -> None:
        self._notes.append(text)
        self.tell(f"note: {text}")

    def _history(self) -> History:
        return History(
            drill=self.drill.name,
            target=self.target.name,
            seed=self.seed,
            began_s=self._began_s,
            ended_s=time.monotonic(),
            calls=self.recorder.calls(),
            strikes=tuple(striker.strike() for striker in self._strikers),
            journal=tuple(self.target.journal()),
            looks=tuple(self._looks),
            notes=tuple(self._notes),
            probes=tuple(self._probes),
        )
