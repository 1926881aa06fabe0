"""A worker that is killed while it has children: they must be gone before its next life begins."""

from __future__ import annotations

import select
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.faults import NotFired, PromiseBroken
from tierhost.drills.faults.bodies import Body, body_of, check_known
from tierhost.host.shell import procfs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.drills.targets import Target

END_LIMIT_S: Final = 5.0
NEXT_LIFE_S: Final = 20.0
LOOK_AGAIN_S: Final = 0.005


class Bereave:
    """SIGKILL to a worker that has children; then its next life is waited for, and nobody of the last one may be left."""

    def __init__(self, target: Target, whom: str, options: Mapping[str, Any]) -> None:
        check_known("bereave", options, ())
        self._target = target
        self._whom = whom
        self._children: list[Body] = []

    def strike(self) -> str:
        """Kill it, and look for its children when the next life is there."""
        worker = body_of(self._target, self._whom)
        self._children = list(_children(worker.pid))
        if not self._children:
            raise NotFired(f"pid {worker.pid} has no children", subject=self._whom)
        if not worker.end(END_LIMIT_S):
            raise NotFired(f"pid {worker.pid} lives {END_LIMIT_S:g} s after SIGKILL", subject=self._whom)
        end_s = time.monotonic() + NEXT_LIFE_S
        while not (following := [pid for pid in self._target.pids(self._whom) if pid != worker.pid]):
            if time.monotonic() > end_s:
                raise PromiseBroken(f"no next life within {NEXT_LIFE_S:g} s", subject=self._whom)
            select.select([], [], [], LOOK_AGAIN_S)
        left = [child.pid for child in self._children if child.is_alive]
        if left:
            raise PromiseBroken(f"pids {left} of its last life live beside the next one, pid {following[0]}", subject=self._whom)
        return f"SIGKILL to {self._whom}: pid {worker.pid} ended, and its {len(self._children)} children before its next life"

    def heal(self) -> None:
        """End those who should have been."""
        for child in self._children:
            child.end(END_LIMIT_S)


def _children(pid: int) -> list[Body]:
    found = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, listed.read_text(encoding="ascii").split()):
            start = procfs.start_time(child)
            if start is not None and not procfs.is_dead(child):
                found.append(Body(child, start))
    return found


KINDS: Final = {"bereave": Bereave}
