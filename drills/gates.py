"""Where faults wait: a gate is armed for one point, tells when the run has reached it, and lets it go on afterwards."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from tierhost.drills.faults import BadPlan
from tierhost.drills.journals import JournalTail

if TYPE_CHECKING:
    from pathlib import Path

    from tierhost.drills.plan import Ask, Point
    from tierhost.drills.recording import Recorder
    from tierhost.drills.targets import Target

HOLD: Final = "hold"
"""The option of a fault whose point is a phase: the host stands still there until it has struck."""

LOOK_AGAIN_S: Final = 0.001
"""How often a journal is read while a phase is waited for: a phase may last a few milliseconds only."""


class Gate(Protocol):
    """One point of one run.

    A gate that holds (the launcher's) keeps the process at the point from `wait_reached` until `release`; the others only
    tell that it was passed, just now.
    """

    def arm(self, point: Point) -> None:
        """Begin to look out for the point. Called once, before anything is broken. Raises BadPlan if it cannot be seen."""

    def wait_reached(self, deadline_s: float) -> bool:
        """Wait until it is reached, at most until this instant of CLOCK_MONOTONIC. Returns whether it was."""

    def release(self) -> None:
        """Let go whoever is held there. Called whatever happened; may be called again."""


@runtime_checkable
class Gated(Protocol):
    """A target that can see points which are invisible from outside: "commit" and "reply"."""

    def gate(self, point: Point) -> Gate:
        """Make the gate for one point. Raises BadPlan if there is none for its kind."""


@runtime_checkable
class Holding(Protocol):
    """A gate that holds whoever comes to its point, and can prove it."""

    def held(self) -> str:
        """Say who is held there this instant, for the proof of a strike. Raises NotFired if nobody is (any more)."""


@runtime_checkable
class Journaling(Protocol):
    """A target that writes its phases down while they happen."""

    def journal_path(self) -> Path:
        """Return the file, one JSON object a line; it may not be there yet."""


@dataclass(slots=True)
class TimeGate:
    """Reached so many seconds after `start`, which the run sets once the steady state was confirmed."""

    start: threading.Event
    _after_s: float = 0.0

    def arm(self, point: Point) -> None:
        """Take the time."""
        self._after_s = point.after_s

    def wait_reached(self, deadline_s: float) -> bool:
        """Wait for the start, and then so long."""
        if not self.start.wait(max(0.0, deadline_s - time.monotonic())):
            return False
        due_s = time.monotonic() + self._after_s
        threading.Event().wait(min(self._after_s, max(0.0, deadline_s - time.monotonic())))
        return time.monotonic() >= due_s

    def release(self) -> None:
        """Nobody is held by the clock."""


@dataclass(slots=True)
class PhaseGate:
    """Reached when the host writes down that the driver entered the phase, for the n-th time since it was armed."""

    path: Path
    _tail: JournalTail = field(init=False)
    _point: Point | None = None

    def arm(self, point: Point) -> None:
        """Forget what was written before."""
        self._point = point
        self._tail = JournalTail(self.path)
        self._tail.skip()

    def wait_reached(self, deadline_s: float) -> bool:
        """Read what is written, as it is written."""
        assert self._point is not None
        seen = 0
        pause = threading.Event()
        while time.monotonic() < deadline_s:
            for line in self._tail.read():
                fields = line.fields
                entered = (line.what, fields.get("driver"), fields.get("phase"))
                seen += entered == ("PublishPhase", self._point.driver, self._point.phase)
                if seen == self._point.ordinal:
                    return True
            pause.wait(LOOK_AGAIN_S)
        return False

    def release(self) -> None:
        """Nobody is held: whoever entered the phase is on its way through it."""


@dataclass(slots=True)
class CallGate:
    """Reached when the drill makes its n-th own call of a driver."""

    recorder: Recorder
    _reached: threading.Event = field(default_factory=threading.Event)
    _point: Point | None = None
    _seen: int = 0

    def arm(self, point: Point) -> None:
        """Listen to the calls."""
        self._point = point
        self.recorder.listeners.append(self._hear)

    def _hear(self, ask: Ask) -> None:
        assert self._point is not None
        if ask.method.partition(".")[0] == self._point.driver:
            self._seen += 1
            if self._seen == self._point.ordinal:
                self._reached.set()

    def wait_reached(self, deadline_s: float) -> bool:
        """Wait for that call."""
        return self._reached.wait(max(0.0, deadline_s - time.monotonic()))

    def release(self) -> None:
        """The call goes its way by itself."""


def gate_for(point: Point, target: Target, recorder: Recorder, start: threading.Event, *, hold: bool = False) -> Gate:
    """Choose and arm the gate of a point; `hold`: one that holds. Raises BadPlan if this target has none."""
    gate = _held(point, target) if hold else _choose(point, target, recorder, start)
    gate.arm(point)
    return gate


def _choose(point: Point, target: Target, recorder: Recorder, start: threading.Event) -> Gate:
    if point.kind == "time":
        return TimeGate(start)
    if point.kind == "call":
        return CallGate(recorder)
    if point.kind == "phase" and isinstance(target, Journaling):
        return PhaseGate(target.journal_path())
    return _held(point, target)


def _held(point: Point, target: Target) -> Gate:
    if isinstance(target, Gated):
        return target.gate(point)
    raise BadPlan(f"the target {target.name!r} shows no point of the kind {point.kind!r}")
