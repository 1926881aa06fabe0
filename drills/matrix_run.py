"""Runs the matrix: fresh objects for each cell, the call and the fault at once, and a look at what became of everything."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.faults import NotFired
from tierhost.drills.kill_points.trial import Unsteady
from tierhost.drills.matrix import Cell, Ending, Told, Views, ending, ending_of_change
from tierhost.drills.matrix_faults import HITTING
from tierhost.drills.matrix_site import CALL_LIMIT_S, scene
from tierhost.ipc.errors import TierhostError

if TYPE_CHECKING:
    import random

    from tierhost.drills.kill_points.operation import Operation, Scene
    from tierhost.drills.kill_points.site import Site
    from tierhost.drills.matrix_faults import Hitting
    from tierhost.drills.onlookers import Onlookers

SETTLE_LIMIT_S: Final = 20.0
TRIES_MAX: Final = 3
"""How often a cell is tried until its fault falls into the call, which may be over in less time than a thread takes to wake."""

AT_MOST: Final = 0.8
"""A fault that strikes in the midst of a call does so before this share of the time that it takes undisturbed."""

ROUNDS_MAX: Final = 100_000


@dataclass(frozen=True, slots=True)
class Quiet:
    """An operation, undisturbed."""

    views: Views
    answer: str
    took_s: float


@dataclass(slots=True)
class Blow:
    """One fault in a thread beside the call. `wait_s` after `go` it strikes."""

    hitting: Hitting
    wait_s: float
    proof: str = ""
    trouble: str = ""
    at_s: float = 0.0
    go: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)

    def begin(self) -> None:
        """Begin now what begins before the call; wait in a thread with the rest."""
        if self.hitting.before:
            self.go.set()
            self.wait_s = 0.0
            self._strike()
        else:
            threading.Thread(target=self._strike, daemon=True).start()

    def _strike(self) -> None:
        self.go.wait(SETTLE_LIMIT_S)
        if self.wait_s:
            threading.Event().wait(self.wait_s)
        self.at_s = time.monotonic()
        try:
            self.proof = self.hitting.begin()
        except (NotFired, OSError) as error:
            self.trouble = str(error)
        finally:
            self.done.set()


@dataclass(slots=True)
class Matrix:
    """Cells on one warm site, with onlookers."""

    site: Site
    onlookers: Onlookers
    rng: random.Random
    _number: int = 0
    _quiet: dict[str, Quiet] = field(default_factory=dict)

    def cell(self, operation: Operation, fault: str) -> Cell:
        """Try until the fault fell into the call; return the last try. Trouble of the drill's own is in the cell."""
        cell = Cell(operation.driver, operation.name, fault, fired=False)
        for _ in range(TRIES_MAX):
            try:
                cell = self._try(operation, fault)
            except TierhostError as error:
                return replace(cell, trouble=f"{type(error).__name__}: {error}")
            if cell.hit or cell.worst >= Ending.HANG:
                break
        return cell

    def quiet(self, operation: Operation) -> Quiet:
        """Run an operation undisturbed, once. Raises Unsteady, or what it raises."""
        if operation.name not in self._quiet:
            here = self._scene()
            try:
                operation.prepare(here)
                before = here.plain(operation.view(here))
                began_s = time.monotonic()
                answer = here.plain(operation.call(here))
                took_s = time.monotonic() - began_s
                views = Views(before, "", here.plain(operation.view(here)))
                self._quiet[operation.name] = Quiet(views, answer, took_s)
            finally:
                self._clear(operation, here)
        return self._quiet[operation.name]

    def _scene(self) -> Scene:
        self._number += 1
        return scene(self.site, f"m{self._number:05d}x")

    @staticmethod
    def _clear(operation: Operation, here: Scene) -> None:
        operation.clear(here)
        here.folder.rmdir()

    def _try(self, operation: Operation, fault: str) -> Cell:
        quiet = self.quiet(operation)
        here = self._scene()
        try:
            operation.prepare(here)
            before = here.plain(operation.view(here))
            if before != quiet.views.before:
                raise Unsteady(f"it does not begin as before: {before}", subject=operation.name)
            lives = self.site.wait_ready()
            return self._struck(operation, fault, here, lives)
        finally:
            self._clear(operation, here)

    def _struck(self, operation: Operation, fault: str, here: Scene, lives: dict[str, dict[str, Any]]) -> Cell:
        quiet, driver = self.quiet(operation), operation.driver
        hitting = HITTING[fault](self.site.folder, driver, lives[driver]["pid"], self.rng)
        blow = Blow(hitting, self.rng.uniform(0.0, AT_MOST) * quiet.took_s)
        began_s = time.monotonic()
        blow.begin()
        try:
            told, hit = self._call(operation, here, blow)
        finally:
            hitting.end()
        ended_s = time.monotonic()
        if blow.trouble:
            return Cell(driver, operation.name, fault, fired=False, proof=blow.trouble)
        after = here.plain(operation.view(here))
        views = replace(quiet.views, after=after)
        how = ending_of_change(told, quiet.answer, views) if operation.changes else ending(told, quiet.answer)
        newer = (driver, lives[driver]["incarnation"] + operation.own_lives) if hitting.lives else ("", 0)
        now = self.site.wait_ready(SETTLE_LIMIT_S, newer=newer)
        lost = {name: now[name]["incarnation"] - row["incarnation"] for name, row in lives.items()}
        cell = Cell(driver, operation.name, fault, fired=True, proof=blow.proof, hit=hit, ending=how, told=told)
        return replace(
            cell,
            lives=lost.pop(driver) - operation.own_lives,
            others=tuple(name for name, count in lost.items() if count),
            onlookers=self.onlookers.seen(driver, began_s, ended_s),
        )

    def _call(self, operation: Operation, here: Scene, blow: Blow) -> tuple[Told, bool]:
        """Make the call; a question is asked again until the fault has struck, and once more. Returns the worst."""
        quiet = self.quiet(operation)
        worst, hit = Told(), False
        for _ in range(ROUNDS_MAX):
            struck = blow.done.is_set()
            began_s = time.monotonic()
            blow.go.set()
            told = _told(operation, here)
            hit = hit or (blow.at_s > 0 and blow.at_s <= began_s + told.took_s and (not struck or blow.hitting.before))
            worst = max(worst, told, key=lambda one: (ending(one, quiet.answer) if one != Told() else -1, one.took_s))
            if operation.changes or struck or operation.own_lives:
                break
        blow.done.wait(SETTLE_LIMIT_S)
        return worst, hit


def _told(operation: Operation, here: Scene) -> Told:
    began_s = time.monotonic()
    answer = error = text = ""
    try:
        answer = here.plain(operation.call(here))
    except TierhostError as refused:
        error, text = type(refused).__name__, str(refused)
    return Told(answer, error, text, time.monotonic() - began_s, CALL_LIMIT_S)
