"""Puts the watch around what a worker does for one call: from outside, in the process that all workers are forked from."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.launcher.arming import COUNT, Order, Sheet, tell
from tierhost.drills.launcher.gates import wrap
from tierhost.drills.launcher.tracing import Tracer
from tierhost.host import catalog
from tierhost.host.config import Config

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierhost.drills.launcher.arming import Arming
    from tierhost.drills.launcher.points import Point

RUNTIME: Final = "workers/runtime/"
WIRE: Final = "ipc/sockets.py"
FIRST_VERB: Final = "state_initialize"


class Watch:
    """What one worker process does about the order that is in force. Made before the fork; each process has its own."""

    def __init__(self, arming: Arming) -> None:
        self._arming = arming
        self._sheet = Sheet(arming.sheet)
        self._tracer: Tracer | None = None
        self._order: Order | None = None
        self._points: list[Point] = []
        self.over = False

    def begins(self, driver: str, method: str) -> Tracer | None:
        """Say whether, and with what, this call is to be watched."""
        order = self._sheet.read()
        if order is None or (order.driver, order.method) != (driver, method):
            return None
        if self._tracer is None:
            self._order, self._points, self.over = order, [], False
            self._tracer = Tracer((f"workers/{driver.replace('-', '_')}/", RUNTIME, WIRE), self._reached)
        return self._tracer

    @property
    def tracer(self) -> Tracer | None:
        """The watch that is under way."""
        return self._tracer

    def _reached(self, point: Point) -> None:
        assert self._order is not None  # begins has set it
        if self._order.mode == COUNT:
            self._points.append(point)
        elif point.name == self._order.point:
            die_here(self._sheet, self._arming, point.name)

    def ends(self) -> None:
        """The call is answered and the answer is out: whoever was to die and did not says so."""
        self._tracer = None
        self._sheet.clear()
        tell(self._arming.news, "over", points=self._points)


def die_here(sheet: Sheet, arming: Arming, point: str) -> None:
    """Leave the proof, and die as by `kill -9`: the kernel does it, nobody cleans up."""
    sheet.clear()
    tell(arming.news, "fired", point=point)
    os.kill(os.getpid(), signal.SIGKILL)


def install(arming: Arming) -> None:
    """Wrap the entries of the runtime, in this process and in all that are forked from it."""
    from tierhost.workers.runtime.life import Life  # noqa: PLC0415  # the host itself never imports workers: this program does
    from tierhost.workers.runtime.loading import load  # noqa: PLC0415
    from tierhost.workers.runtime.main import Worker  # noqa: PLC0415
    from tierhost.workers.runtime.serving import Serving  # noqa: PLC0415

    for manifest in catalog.read(Config(), ()).drivers.values():
        if manifest.name in arming.preload:
            # Every drill costs lives: what a spare would have to import is there before it is forked.
            load(manifest.wire())
    watch = Watch(arming)
    _wrap_serving(watch, Serving)
    _wrap_verbs(watch, Life, Worker)
    wrap(Worker, "_tend", _tending(watch))


def _wrap_serving(watch: Watch, serving: type) -> None:
    def serve(original: Callable[..., Any], self: Any, admitted: Any) -> Any:
        tracer = watch.begins(self._context.name, admitted.arrival.request.method)
        if tracer is None:
            return original(self, admitted)
        with tracer.tracing():
            answer = original(self, admitted)
        watch.over = watch.over or answer is not None
        return answer

    def in_thread(original: Callable[..., Any], self: Any, admitted: Any, exposure: Any) -> Any:
        tracer = watch.begins(self._context.name, admitted.arrival.request.method)
        if tracer is None:
            return original(self, admitted, exposure)
        with tracer.tracing():
            original(self, admitted, exposure)
        watch.over = True
        self._outbox.wake()
        return None

    wrap(serving, "serve", serve)
    wrap(serving, "_in_thread", in_thread)


def _wrap_verbs(watch: Watch, life: type, worker: type) -> None:
    def perform(original: Callable[..., Any], self: Any, verb: str, remaining_s: float) -> Any:
        tracer = watch.begins(self.name, verb)
        if tracer is None:
            return original(self, verb, remaining_s)
        with tracer.tracing():
            told = original(self, verb, remaining_s)
        watch.over = True
        return told

    def take_up(original: Callable[..., Any], self: Any, message: Any) -> Any:
        tracer = watch.begins(message.spec["name"], FIRST_VERB)
        if tracer is None:
            return original(self, message)
        with tracer.tracing():
            return original(self, message)

    wrap(life, "perform", perform)
    wrap(worker, "_take_up", take_up)


def _tending(watch: Watch) -> Callable[..., Any]:
    """The loop sends the answer: that is part of the call, and the end of it."""

    def tend(original: Callable[..., Any], self: Any, life: Any, now_s: float) -> Any:
        tracer, over = watch.tracer, watch.over
        if tracer is None:
            return original(self, life, now_s)
        with tracer.tracing():
            original(self, life, now_s)
        if over:
            watch.ends()
        return None

    return tend
