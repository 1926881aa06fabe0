"""One drill: fresh objects, an order to die at a point, the call, the death, and a look at what the next life made of it."""

from __future__ import annotations

import select
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.history import ANSWERED, FAILED
from tierhost.drills.history import UNKNOWN as NOBODY_KNOWS
from tierhost.drills.kill_points import traces
from tierhost.drills.kill_points.judging import Control, Trial
from tierhost.drills.kill_points.lighting import AtLines
from tierhost.drills.kill_points.operation import Scene
from tierhost.ipc.errors import DeadlineExceeded, OutcomeUnknown, TierhostError
from tierhost.workers.runtime.pool import LINGER_S

if TYPE_CHECKING:
    from tierhost.drills.kill_points.lighting import Lighting
    from tierhost.drills.kill_points.operation import Operation
    from tierhost.drills.kill_points.site import Site
    from tierhost.drills.launcher.points import Point

SETTLE_LIMIT_S: Final = 10.0
GONE_LIMIT_S: Final = 2.0
LOOK_AGAIN_S: Final = 0.01
REST_S: Final = LINGER_S + 1.0


class Unsteady(TierhostError):
    """Raised when an operation, undisturbed, does not do the same twice: then nothing can be learnt from it."""


class Trials:
    """Runs operations on one warm site, again and again."""

    def __init__(self, site: Site, lighting: Lighting | None = None) -> None:
        self.site = site
        self._lighting = lighting or AtLines(site)
        self._number = 0
        self._controls: dict[str, Control] = {}
        self._known: frozenset[str] = frozenset()

    def _scene(self) -> Scene:
        self._number += 1
        scene = Scene(self.site, f"k{self._number:05d}x")
        scene.folder.mkdir(parents=True)
        return scene

    def count(self, operation: Operation) -> list[Point]:
        """Find the points of an operation: once to get used to it, and once to count. Raises TierhostError."""
        first, some = self._undisturbed(operation, counted=self._lighting.counts_twice)
        second, points = self._undisturbed(operation, counted=True)
        if self._lighting.counts_twice:
            points = [point for point in points if point in some]
        if first != second:
            raise Unsteady(f"it did not do the same twice: {first} and {second}", subject=operation.name)
        if operation.changes and operation.visible and second.before == second.after:
            raise Unsteady(f"it changes nothing that can be seen: {second.after}", subject=operation.name)
        self._controls[operation.name] = second
        self._left()
        return points

    def _undisturbed(self, operation: Operation, *, counted: bool) -> tuple[Control, list[Point]]:
        scene = self._scene()
        points: list[Point] = []
        try:
            operation.prepare(scene)
            before = scene.plain(operation.view(scene))
            self.site.wait_ready()
            if counted:
                self._lighting.watch(operation)
            answer = scene.plain(operation.call(scene))
            if counted:
                points = self._lighting.seen()
            return Control(before, scene.plain(operation.view(scene)), answer), points
        finally:
            self._lighting.off()
            self._clear(operation, scene)

    def run(self, operation: Operation, point: str, *, rested: bool = False) -> Trial:
        """Have a worker die at this point, and see. What goes wrong with the drill itself is in the trial, too.

        `rested`: the worker is left alone before the call until its threads have gone, so that the call gets a new one.
        """
        trial = Trial(operation.name, point, operation.changes, self._controls[operation.name])
        scene = self._scene()
        try:
            trial = self._strike(operation, scene, trial, rested=rested)
        except TierhostError as error:
            trial = replace(trial, trouble=f"{type(error).__name__}: {error}")
        finally:
            self._lighting.off()
        try:
            self._clear(operation, scene)
        except TierhostError as error:
            trial = replace(trial, trouble=trial.trouble or f"while it was cleared away: {error}")
        return replace(trial, left=self._left())

    def _strike(self, operation: Operation, scene: Scene, trial: Trial, *, rested: bool) -> Trial:
        operation.prepare(scene)
        before = scene.plain(operation.view(scene))
        if rested:
            select.select([], [], [], REST_S)
        lives = self.site.wait_ready()
        self._lighting.light(operation, trial.point)
        trial = replace(trial, before=before, **_call(operation, scene))
        proof = self._lighting.fired()
        fired = bool(proof)
        after = scene.plain(operation.view(scene))
        last = operation.driver, lives[operation.driver]["incarnation"] + operation.own_lives - (0 if fired else 1)
        now = self.site.wait_ready(SETTLE_LIMIT_S, newer=last)
        trial = replace(trial, fired=fired, proof=proof, after=after, last=after, **_lives(operation, lives, now))
        if operation.changes and after != trial.control.after:
            trial = self._again(operation, scene, trial)
        return trial

    @staticmethod
    def _again(operation: Operation, scene: Scene, trial: Trial) -> Trial:
        again = ""
        try:
            operation.call(scene)
        except TierhostError as error:
            again = f"{type(error).__name__}: {error}"
        return replace(trial, again=again, last=scene.plain(operation.view(scene)))

    @staticmethod
    def _clear(operation: Operation, scene: Scene) -> None:
        operation.clear(scene)
        scene.folder.rmdir()

    def _left(self) -> tuple[str, ...]:
        """What was not there before; what is on its way out is given a moment."""
        end_s = time.monotonic() + GONE_LIMIT_S
        found = traces.look(self.site.folder)
        while found - self._known and time.monotonic() < end_s:
            self.site.news.hear(LOOK_AGAIN_S)
            found = traces.look(self.site.folder)
        left, self._known = found - self._known, found
        return tuple(sorted(left))


def _call(operation: Operation, scene: Scene) -> dict[str, Any]:
    """Make the call; return how it ended, as a trial has it."""
    began_s = time.monotonic()
    ended: dict[str, Any]
    try:
        ended = {"outcome": ANSWERED, "answer": scene.plain(operation.call(scene))}
    except (OutcomeUnknown, DeadlineExceeded) as error:
        ended = {"outcome": NOBODY_KNOWS, "kind": type(error).__name__, "text": str(error)}
    except TierhostError as error:
        ended = {"outcome": FAILED, "kind": type(error).__name__, "text": str(error)}
    return {**ended, "took_s": time.monotonic() - began_s}


def _lives(operation: Operation, before: dict[str, dict[str, Any]], now: dict[str, dict[str, Any]]) -> dict[str, Any]:
    lost = {name: now[name]["incarnation"] - row["incarnation"] for name, row in before.items()}
    degraded = [f"{name}: {subject}: {why}" for name, row in now.items() for subject, why in row["degraded"].items()]
    degraded += [f"{name} is {row['phase']}" for name, row in now.items() if row["phase"] != "READY"]
    others = tuple(name for name, count in lost.items() if count and name != operation.driver)
    return {"lives": lost[operation.driver] - operation.own_lives, "others": others, "degraded": tuple(degraded)}
