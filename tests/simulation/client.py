"""A fake client and the state that fake drivers keep: calls are answered by living lives, and changes are done once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.effects import ANYTHING, Names, effects
from tierhost.drills.history import ANSWERED, UNKNOWN, Call
from tierhost.drills.targets.ours import reads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.simulation.body import FakeWorker
    from tests.simulation.stage import Stage
    from tierhost.drills.plan import Ask

AGAIN_S: Final = 0.005
ANSWER_S: Final = (0.0005, 0.004)


@dataclass(slots=True)
class FakeState:
    """What was acknowledged, of a small site: two pools, a guest. Facts are those of `drills.effects`."""

    facts: dict[tuple[str, str, str], Any] = field(default_factory=dict)
    names: Names = field(default_factory=Names)
    _pids: int = 70

    def __post_init__(self) -> None:
        for pool in ("images", "scratch"):
            self.facts |= {("pools", pool, what): True for what in ("persistent", "active")}
        self.facts["pools", "images", "autostart"] = True
        self.facts |= {("guests", "web", "persistent"): True, ("guests", "web", "running"): True, ("guests", "web", "pid"): 70}

    def apply(self, call: Call) -> None:
        """Do a change."""
        for fact, value in effects(call, self.names).items():
            if fact[2] == "pid":
                self._pids += 1
                self.facts[fact] = self._pids
            elif value != ANYTHING:
                self.facts[fact] = value

    def auto_start(self) -> None:
        """Start the pools that want it."""
        for kind, name, what in list(self.facts):
            if (kind, what) == ("pools", "autostart") and self.facts[kind, name, what]:
                self.facts[kind, name, "active"] = True

    def boot(self) -> None:
        """Nothing is active, nobody runs."""
        for fact in self.facts:
            if fact[2] in {"active", "running", "paused"}:
                self.facts[fact] = False

    def end_guest(self, name: str) -> str:
        """End the process of a guest, if it runs."""
        if not self.facts.get(("guests", name, "running")):
            return ""
        self.facts["guests", name, "running"] = False
        return f"process {self.facts['guests', name, 'pid']} of guest {name} ended"

    def shown(self) -> dict[str, dict[str, Any]]:
        """As a look shows it."""
        shown: dict[str, dict[str, Any]] = {kind: {} for kind in ("secrets", "pools", "volumes", "guests")}
        for (kind, name, what), value in self.facts.items():
            shown[kind].setdefault(name, {})[what] = value
        for name, row in shown["pools"].items():
            shown["pools"][name] = {"autostart": False, "persistent": False, **row}
            shown["pools"][name]["state"] = "active" if row.get("active") else "inactive"
        for name, row in shown["guests"].items():
            state = "shutoff" if not row.get("running") else "paused" if row.get("paused") else "running"
            pid = row.get("pid", 0) if row.get("running") else 0
            shown["guests"][name] = {"autostart": False, "persistent": False, "uuid": name, **row, "state": state, "pid": pid}
        for kind in ("secrets", "volumes"):
            shown[kind] = {name: row for name, row in shown[kind].items() if row.get("there")}
        return shown

    def guests(self) -> list[dict[str, Any]]:
        """The processes of guests, as the kernel shows them."""
        return [{"uuid": name, "name": name, "pid": row["pid"]} for name, row in self.shown()["guests"].items() if row["pid"]]


@dataclass(slots=True)
class FakeClient:
    """Calls a driver until one of its lives answers, or the deadline is over."""

    stage: Stage
    serving: Callable[[str], FakeWorker | None]
    state: FakeState
    calls: dict[int, Call] = field(default_factory=dict)
    _loading: bool = False

    def make(self, ask: Ask, *, load: bool = False) -> int:
        """Begin a call; it ends as time goes on. Returns its number."""
        number = len(self.calls) + 1
        self.calls[number] = Call(number, ask.method, ask.args, self.stage.now_s, ask.deadline_s, load=load)
        self._try(number)
        return number

    def load(self, asks: Sequence[Ask], per_second: float) -> None:
        """Make harmless calls in turn from now on."""
        if asks:
            self._loading = True
            self.stage.later(0.0, self._next, tuple(asks), 1 / per_second, 0)

    def stop(self) -> None:
        """No more of them."""
        self._loading = False

    def _next(self, asks: tuple[Ask, ...], pause_s: float, number: int) -> None:
        if self._loading:
            self.make(asks[number % len(asks)], load=True)
            self.stage.later(pause_s, self._next, asks, pause_s, number + 1)

    def _try(self, number: int) -> None:
        call = self.calls[number]
        if self.stage.now_s >= call.begin_s + call.deadline_s - 1e-6:
            self.calls[number] = replace(call, end_s=self.stage.now_s, outcome=UNKNOWN, kind="DeadlineExceeded")
            return
        body = self.serving(call.driver)
        if body is None:
            # The longer it has waited, the later it looks again: many calls wait for one life.
            waited_s = self.stage.now_s - call.begin_s
            self.stage.later(min(AGAIN_S + waited_s / 4, call.deadline_s - waited_s), self._try, number)
        else:
            self.stage.later(self.stage.random.uniform(*ANSWER_S), self._answer, number, body)

    def _answer(self, number: int, body: FakeWorker) -> None:
        """Done and recorded with its answer in one commit: a life that ended before it has done nothing of it."""
        if self.serving(body.driver) is not body:
            self._try(number)
            return
        call = replace(self.calls[number], end_s=self.stage.now_s, outcome=ANSWERED)
        if not reads(call.method):
            self.state.apply(call)
        self.calls[number] = call
