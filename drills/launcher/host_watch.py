"""Puts the watch around the host itself: from its first line until it is ready, or from the word to end until it has ended."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.launcher.arming import COUNT, Sheet, tell
from tierhost.drills.launcher.installing import die_here
from tierhost.drills.launcher.tracing import Tracer

if TYPE_CHECKING:
    from tierhost.drills.launcher.arming import Arming, Order
    from tierhost.drills.launcher.points import Point

HOST: Final = "host"
START: Final = "start"
STOP: Final = "stop"
PARTS: Final = ("host/", "ipc/sockets.py", "ipc/paths.py")


class HostWatch:
    """What the host's process does about an order for itself. Its children have none of it."""

    def __init__(self, arming: Arming) -> None:
        self._arming = arming
        self._sheet = Sheet(arming.sheet)
        self._order: Order | None = None
        self._points: list[Point] = []
        # A host that starts executes two thousand lines, and takes a second: functions and effects are struck, not lines.
        self._tracer = Tracer(PARTS, self._reached, every_line=False)

    def install(self) -> None:
        """Begin to watch, if the order is about the start; else wait for the word to end."""
        from tierhost.host.shell.control import Control  # noqa: PLC0415  # nothing of the host is imported before it is watched
        from tierhost.host.shell.notify import Readiness  # noqa: PLC0415

        os.register_at_fork(after_in_child=self._tracer.let_go)
        self._after(Readiness, "settled", START)
        self._before(Control, "_ask_shutdown")
        self._begin(START)

    def _begin(self, method: str) -> None:
        order = self._sheet.read()
        if order is not None and (order.driver, order.method) == (HOST, method):
            self._order = order
            self._tracer.take_hold(sys._getframe(1))  # noqa: SLF001  # frames that run already are to be watched, too

    def _before(self, owner: type, name: str) -> None:
        original = getattr(owner, name)

        def wrapped(control: Any, *args: Any, **kwargs: Any) -> Any:
            self._begin(STOP)
            return original(control, *args, **kwargs)

        setattr(owner, name, wrapped)

    def _after(self, owner: type, name: str, method: str) -> None:
        original = getattr(owner, name)

        def wrapped(readiness: Any, *args: Any, **kwargs: Any) -> Any:
            told = original(readiness, *args, **kwargs)
            self.over(method)
            return told

        setattr(owner, name, wrapped)

    def _reached(self, point: Point) -> None:
        assert self._order is not None  # _begin has set it
        if self._order.mode == COUNT:
            self._points.append(point)
        elif point.name == self._order.point:
            die_here(self._sheet, self._arming, point.name)

    def over(self, method: str) -> None:
        """What the order is about is over."""
        if self._order is not None and self._order.method == method:
            self._tracer.let_go()
            self._order = None
            self._sheet.clear()
            tell(self._arming.news, "over", points=self._points)
