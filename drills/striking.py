"""Carries one fault of a plan through a run: wait at its point, strike, keep the proof, heal."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.faults import BadPlan, NotFired, OnLeash, Prepared, PromiseBroken, table, undoing
from tierhost.drills.gates import HOLD, Holding, gate_for
from tierhost.drills.history import Strike
from tierhost.drills.points import text_of
from tierhost.ipc.errors import TierhostError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tierhost.drills.faults import Striking
    from tierhost.drills.gates import Gate
    from tierhost.drills.plan import Fault
    from tierhost.drills.recording import Recorder
    from tierhost.drills.targets import Target

REACH_S: Final = 15.0
OURS: Final = frozenset({"heal_after_s", "jitter_s", "reach_s", HOLD})
"""Options of any fault: healed so long after it struck (else when all is over); struck up to so much later than at its
point, by the seed; so long it may take until the point is reached; the host held at a phase until it struck."""

ANY_WORKER: Final = "any worker"


def settle(faults: Sequence[Fault], drivers: tuple[str, ...], seed: int) -> list[Fault]:
    """Settle what a plan leaves to its seed. Each fault has its own chance: leaving one out changes nothing for the others."""
    settled = []
    for place, fault in enumerate(faults):
        twins = list(faults[:place]).count(fault)
        words = f"{seed} {fault.kind} {fault.target} {text_of(fault.point)} {sorted(fault.options)} {twins}"
        settled.append(chosen(fault, drivers, Random(words)))  # noqa: S311  # it is to be repeated, not to be secret
    return settled


def chosen(fault: Fault, drivers: tuple[str, ...], rng: Random) -> Fault:
    """Settle one: which worker, and how long after the point."""
    options = dict(fault.options)
    jitter_s = float(options.pop("jitter_s", 0.0))
    options["wait_s"] = round(rng.uniform(0.0, jitter_s), 6) if jitter_s else 0.0
    if fault.target != ANY_WORKER:
        return replace(fault, options=options)
    if not drivers:
        raise BadPlan("the target has no driver to choose from")
    return replace(fault, target=rng.choice(sorted(drivers)), options=options)


@dataclass(slots=True)
class Striker:
    """One fault in one run, in a thread of its own between `begin` and `join`."""

    number: int
    fault: Fault
    _striking: Striking
    _gate: Gate
    _strike: Strike
    _wait_s: float
    _reach_s: float
    _heal_after_s: float | None
    _target: Target
    _kept: Path | None = None
    over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    @classmethod
    def make(cls, number: int, fault: Fault, target: Target, recorder: Recorder, start: threading.Event) -> Striker:
        """Make the fault, and arm its gate. Raises BadPlan."""
        options: dict[str, Any] = dict(fault.options)
        wait_s, reach_s = options.pop("wait_s", 0.0), options.pop("reach_s", REACH_S)
        heal_after_s, hold = options.pop("heal_after_s", None), bool(options.pop(HOLD, False))
        striking = table.make(fault.kind, target, fault.target, options)
        strike = Strike(number, fault.kind, fault.target, text_of(fault.point))
        gate = gate_for(fault.point, target, recorder, start, hold=hold)
        return cls(number, fault, striking, gate, strike, wait_s, reach_s, heal_after_s, target)

    def make_ready(self) -> bool:
        """Put in place what the fault needs; return whether it needs anything. What cannot be is said by the strike."""
        if not isinstance(self._striking, Prepared):
            return False
        with suppress(NotFired):
            self._striking.make_ready()
        return True

    def begin(self) -> None:
        """Wait for the point from now on."""
        self._thread = threading.Thread(target=self._run, name=f"fault {self.number}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._go()
        finally:
            self.over.set()

    def _go(self) -> None:
        try:
            if not self._gate.wait_reached(time.monotonic() + self._reach_s):
                self._strike = replace(self._strike, proof=f"{self._strike.point} was not reached within {self._reach_s:g} s")
                return
            if self._wait_s:
                threading.Event().wait(self._wait_s)
            try:
                self._hit()
            finally:
                self._gate.release()
        except (TierhostError, OSError) as error:
            self._strike = replace(self._strike, proof=f"{type(error).__name__}: {error}")
            return
        if self._heal_after_s is None:
            return
        threading.Event().wait(self._heal_after_s)
        with suppress(TierhostError, OSError):
            # What does not heal now (a host that another fault kills while it starts) is healed when all is over.
            self.heal()

    def _hit(self) -> None:
        """Strike. Where somebody was to be held at the point, that is part of the proof."""
        at_s = time.monotonic()
        if isinstance(self._striking, OnLeash):
            self._kept = undoing.keep(self._target.folder, str(self.number), self._striking.leash())
        held = f"; {self._gate.held()}" if isinstance(self._gate, Holding) else ""
        try:
            proof, broken = self._striking.strike(), ""
        except PromiseBroken as error:
            proof, broken = f"it struck, but {error}", str(error)
        self._strike = replace(self._strike, proof=proof + held, broken=broken, fired_s=at_s)

    def wait(self, deadline_s: float) -> bool:
        """Wait until it struck or gave up. Returns whether it did."""
        return self.over.wait(max(0.0, deadline_s - time.monotonic()))

    def heal(self) -> None:
        """Undo it, once. Raises what starting the target again raises."""
        if self._strike.healed_s is not None:
            return
        self._gate.release()
        try:
            self._striking.heal()
        except PromiseBroken as error:
            self._strike = replace(self._strike, broken=str(error))
        if self._kept is not None:
            self._kept.unlink(missing_ok=True)
        self._strike = replace(self._strike, healed_s=time.monotonic())

    def strike(self) -> Strike:
        """How it went."""
        return self._strike
