"""Keeps spares ready: one warm for each driver that wants it, a few without a role, and never a storm of forks."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from tierhost.host.shell.forking import Zygote

if TYPE_CHECKING:
    from tierhost.host.shell.equipment import Equipment
    from tierhost.host.shell.processes import Body

SPARE_DEATHS_MAX = 10
SPARE_DEATHS_PERIOD_S = 10.0
"""Spares that die faster than this are not replaced until the period is over: something is wrong with the machine."""

QUIET_S = 0.2
"""A driver is left alone for so long after it came up before its next spare is forked."""


class Nursery:
    """Called once per scan; orders at most what is missing."""

    def __init__(self, equipment: Equipment) -> None:
        self._of = equipment
        self._deaths: deque[float] = deque(maxlen=SPARE_DEATHS_MAX)

    def tend(self, now_s: float) -> None:
        """Order the spares that are missing, once nobody is busy getting up."""
        bodies = self._of.processes.bodies
        if self._of.core.is_stopping() or any(not body.assigned for body in bodies.by_driver.values()):
            return
        if len(self._deaths) == SPARE_DEATHS_MAX and now_s - self._deaths[0] < SPARE_DEATHS_PERIOD_S:
            return
        for name, manifest in self._of.catalog.drivers.items():
            if (manifest.warm or manifest.blob) and self._settled(name, now_s) and not bodies.spares(name):
                self._of.processes.order(manifest)
        for _ in range(self._of.config.spares - len(bodies.spares(""))):
            self._of.processes.order()

    def _settled(self, driver: str, now_s: float) -> bool:
        view = self._of.core.driver(driver)
        return view.phase in {"READY", "INITIALIZED"} and now_s - view.since_s >= QUIET_S

    def died(self, body: Body) -> None:
        """A spare died. It had no role, so only its replacement is at stake."""
        self._deaths.append(time.monotonic())
        self._of.publisher.say(time.monotonic(), "host", "spare-died", body.warm, {"pid": body.pid, "how": body.how})
        self._of.processes.kill(body)
        self._of.processes.forget(body)

    def replace_zygote(self) -> list[Body]:
        """Start a new zygote; return the bodies the old one was asked for and never bore."""
        processes = self._of.processes
        unborn = [body for body in processes.bodies.by_identity.values() if body.pid == 0]
        for body in unborn:
            processes.bodies.drop(body)
        dead, processes.zygote = processes.zygote, Zygote()
        dead.close()
        # One that never got as far as a child may have died of what it preloads: that saves memory, and is not needed.
        processes.zygote.begin(dead.preload if dead.bore else ())
        return unborn
