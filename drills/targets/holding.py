"""A host started through the launcher: workers are held at state commits and replies, itself at phases, and struck there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tierhost.drills.faults import BadPlan, NotFired
from tierhost.drills.gates import HOLD
from tierhost.drills.launcher.arming import Arming
from tierhost.drills.launcher.gates import COMMIT, PHASE, REPLY, Gate, NoGate, NotReached
from tierhost.drills.points import text_of

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    from tierhost.drills.plan import Fault, Point

LAUNCHER: Final = "tierhost.drills.launcher"


def holds(fault: Fault) -> bool:
    """Whether it takes the launcher to stop somebody where this fault strikes."""
    return fault.point.kind in {COMMIT, REPLY} or bool(fault.options.get(HOLD))


@dataclass(slots=True)
class HeldAt:
    """One point: the worker that comes to it stands still from `wait_reached` until `release`, or dies there."""

    _gate: Gate
    _point: str = ""
    _pid: int = 0

    def arm(self, point: Point) -> None:
        """Count from now on. Raises BadPlan for a point at which nobody is ever held."""
        self._point = text_of(point)
        try:
            self._gate.arm(point)
        except NoGate as error:
            raise BadPlan(error.text, hint=error.hint) from None

    def wait_reached(self, deadline_s: float) -> bool:
        """Wait until somebody stands there."""
        try:
            self._pid = self._gate.wait_reached(deadline_s)
        except NotReached:
            return False
        return True

    def held(self) -> str:
        """Say who stands there: the kernel named it when it came, and its end of the line is open."""
        if not self._gate.holds():
            raise NotFired(f"pid {self._pid} came to {self._point}, and was gone before it could be struck")
        return f"pid {self._pid} was held at {self._point}"

    def release(self) -> None:
        """Let it go on."""
        self._gate.release()


class Gates:
    """All gates of one drill. They are there before the host is, so that nothing of them looks left behind."""

    def __init__(self, path: Path, gates: list[Gate]) -> None:
        """Use `Gates.make`."""
        self._path = path
        self._gates = gates
        self._free = list(gates)

    @classmethod
    def make(cls, folder: Path, count: int) -> Self:
        """Open so many doors in a folder, which is made."""
        folder.mkdir(exist_ok=True)
        # A host may be started again by a thread that ends sooner than the drill: it must not end with it.
        arming = Arming(folder / "sheet", folder / "news", gates=count, phases=True, tied=False)
        path = folder / "arming.json"
        arming.write(path)
        return cls(path, [Gate(arming, number) for number in range(count)])

    @property
    def module(self) -> tuple[str, ...]:
        """What to run as `python -m ...` instead of the host."""
        return LAUNCHER, str(self._path), "--"

    def take(self, point: Point) -> HeldAt:
        """Give one gate out. Raises BadPlan if there is none left, or none for this kind of point."""
        if point.kind not in {COMMIT, REPLY, PHASE} or not self._free:
            raise BadPlan(f"nobody can be held at {text_of(point)}", hint="one gate was made for each such point of the plan")
        return HeldAt(self._free.pop(0))

    def close(self) -> None:
        """Let everybody go, and close the doors. May be called again."""
        for gate in self._gates:
            gate.close()
