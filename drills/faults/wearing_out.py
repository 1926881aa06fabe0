"""A driver that is killed more often than the host allows: each of its lives, until the host gives it up."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.faults import NotFired, PromiseBroken
from tierhost.drills.faults.bodies import Body, body_of, check_known, number
from tierhost.host.shell import procfs
from tierhost.ipc.client import Client
from tierhost.ipc.errors import TierhostError
from tierhost.ipc.paths import Root

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.drills.targets import Target

DEATHS_MAX: Final = 20
GIVEN_UP: Final = "QUARANTINED"
ASK_LIMIT_S: Final = 5.0
END_LIMIT_S: Final = 5.0
NEXT_LIFE_S: Final = 20.0
LOOK_AGAIN_S: Final = 0.005


class WearOut:
    """SIGKILL to each life of a driver. `deaths`: so many the host may take before it must have given up (default 20).

    The operator's word brings it back when it is healed.
    """

    def __init__(self, target: Target, whom: str, options: Mapping[str, Any]) -> None:
        check_known("wear-out", options, {"deaths"})
        self._deaths_max = int(number("wear-out", options, "deaths", DEATHS_MAX, 1, 1000))
        self._target = target
        self._whom = whom
        self._struck = False

    def strike(self) -> str:
        """Kill each life as soon as it is there, until the host says that it starts no other."""
        victim = body_of(self._target, self._whom)
        self._struck = True
        for deaths in range(1, self._deaths_max + 1):
            if not victim.end(END_LIMIT_S):
                raise NotFired(f"pid {victim.pid} lives {END_LIMIT_S:g} s after SIGKILL", subject=self._whom)
            following = self._next_life(victim)
            if following is None:
                return f"{self._whom} was killed {deaths} times, and the host gave it up"
            victim = following
        raise PromiseBroken(f"the host started it again after each of {self._deaths_max} deaths in a row", subject=self._whom)

    def _next_life(self, dead: Body) -> Body | None:
        """Wait for the next life, or for the host's word that there is none. Raises PromiseBroken for neither."""
        end_s = time.monotonic() + NEXT_LIFE_S
        while time.monotonic() < end_s:
            for pid in self._target.pids(self._whom):
                start = procfs.start_time(pid)
                if start is not None and Body(pid, start) != dead and not procfs.is_dead(pid):
                    return Body(pid, start)
            if self._phase() == GIVEN_UP:
                return None
            select.select([], [], [], LOOK_AGAIN_S)
        raise PromiseBroken(f"{NEXT_LIFE_S:g} s after a death it is neither started again nor given up", subject=self._whom)

    def _phase(self) -> str:
        try:
            with Client(Root.under(self._target.folder), deadline_s=ASK_LIMIT_S) as client:
                rows = client.host("status")["drivers"]
        except TierhostError:
            return ""
        return next((str(row["phase"]) for row in rows if row["name"] == self._whom), "")

    def heal(self) -> None:
        """Say the word, if it is still needed."""
        if self._struck and self._phase() == GIVEN_UP:
            with Client(Root.under(self._target.folder), deadline_s=NEXT_LIFE_S) as client:
                client.host("worker_restart", self._whom)


KINDS: Final = {"wear-out": WearOut}
