"""Small histories for judges: one drill, calls and strikes where a test wants them."""

from __future__ import annotations

from typing import Any

from tierhost.drills.history import ANSWERED, Call, History, Strike
from tierhost.drills.plan import Drill, Fault, Point, Radius


def drill(*, faults: int = 1, radius: Radius | None = None) -> Drill:
    kills = tuple(Fault("kill", "secret", Point("time", after_s=number / 10)) for number in range(faults))
    return Drill("d", "t", "p", faults=kills, radius=radius or Radius())


def call(number: int, method: str, begin_s: float, took_s: float = 0.01, outcome: str = ANSWERED, **more: Any) -> Call:
    return Call(number, method, (), begin_s, 10.0, begin_s + took_s, outcome, **more)


def strike(number: int = 1, fired_s: float | None = 5.0, proof: str = "pid 1 ended", healed_s: float | None = 6.0) -> Strike:
    return Strike(number, "kill", "secret", "t+0.1s", fired_s, proof, healed_s)


def history(**parts: Any) -> History:
    return History("d", "ours", 1, 0.0, 20.0, **parts)
