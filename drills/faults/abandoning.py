"""A host that is killed and does not come back in time: its workers leave, its guests stay."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.faults import BadPlan, PromiseBroken
from tierhost.drills.faults.bodies import body_of, check_known, number
from tierhost.drills.faults.signals import Kill

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.drills.targets import Target

WITHIN_S: Final = 10.0
LOOK_AGAIN_S: Final = 0.02


class Abandon:
    """SIGKILL to the host, which is started again only when it is healed. `within_s`: so soon its workers must have left."""

    def __init__(self, target: Target, whom: str, options: Mapping[str, Any]) -> None:
        check_known("abandon", options, {"within_s"})
        self._within_s = number("abandon", options, "within_s", WITHIN_S, 0.1, 600)
        if whom != "everything":
            raise BadPlan("it is all but the guests that this ends", hint='say target = "everything"')
        self._target = target
        self._kill = Kill(target, "host", {})

    def strike(self) -> str:
        """Kill it, and wait until nobody but the guests is left."""
        guests = set(self._target.pids("guests"))
        body_of(self._target, "host")
        told = self._kill.strike()
        end_s = time.monotonic() + self._within_s
        while left := self._target.pids("everything"):
            if time.monotonic() > end_s:
                raise PromiseBroken(f"pids {left} are there {self._within_s:g} s after their host died", subject="host")
            select.select([], [], [], LOOK_AGAIN_S)
        missing = guests - set(self._target.pids("guests"))
        if missing:
            raise PromiseBroken(f"guests left with their workers: pids {sorted(missing)}", subject="host")
        return f"{told}; all its workers left, {len(guests)} guests stayed"

    def heal(self) -> None:
        """Start the next host."""
        self._kill.heal()


KINDS: Final = {"abandon": Abandon}
