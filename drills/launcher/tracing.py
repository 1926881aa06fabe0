"""Watches a process execute the product's own lines: a trace function for the lines, a profile function for the effects."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.launcher.points import CLOSING, EFFECTS, WAITED_FOR, Counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from tierhost.drills.launcher.points import Point

PRODUCT: Final = f"{Path(__file__).parents[2]}/"


def place(filename: str) -> str:
    """Where a file is in the product ("workers/qemu/saving.py"); empty: it is none of ours."""
    return filename.removeprefix(PRODUCT).removeprefix("tierhost/") if filename.startswith(PRODUCT) else ""


class Tracer:
    """Tells of every point in files below `parts` that the threads reach which trace with it.

    Without `every_line` only the first line of each function counts, and the first line after each effect.
    """

    def __init__(self, parts: tuple[str, ...], reached: Callable[[Point], None], *, every_line: bool = True) -> None:
        self.parts = parts
        self._every_line = every_line
        self._entered = False
        self._reached = reached
        self._counted = Counted()
        self._places: dict[str, str] = {}

    @contextmanager
    def tracing(self) -> Iterator[None]:
        """Watch what this thread calls from in here."""
        sys.setprofile(self._profile)
        sys.settrace(self._enter)
        try:
            yield
        finally:
            sys.settrace(None)
            sys.setprofile(None)

    def take_hold(self, frame: FrameType | None) -> None:
        """Watch this thread until `let_go`, and the functions that are under way in it."""
        sys.setprofile(self._profile)
        sys.settrace(self._enter)
        while frame is not None:
            local = self._enter(frame, "call", None)
            if local is not None:
                frame.f_trace = local
            frame = frame.f_back

    @staticmethod
    def let_go() -> None:
        """Watch no more."""
        sys.settrace(None)
        sys.setprofile(None)

    def _enter(self, frame: FrameType, event: str, _: object) -> Any:
        filename = frame.f_code.co_filename
        known = self._places.get(filename)
        if known is None:
            found = place(filename)
            known = self._places[filename] = found if found.startswith(self.parts) else ""
        self._entered = bool(known)
        return self._line if known else None

    def _line(self, frame: FrameType, event: str, _: object) -> Any:
        path = self._places[frame.f_code.co_filename]
        if event == "line" and (self._every_line or self._entered or self._counted.changed):
            self._entered = False
            point = self._counted.line(path, frame.f_lineno)
            if point is not None:
                self._reached(point)
        elif event == "return" and (path, frame.f_code.co_name) in WAITED_FOR:
            self._counted.effect()
        return self._line

    def _profile(self, frame: FrameType, event: str, function: Any) -> None:
        if event != "c_return":
            return
        name = function.__name__
        if name in EFFECTS or (name, type(getattr(function, "__self__", None)).__module__) == CLOSING:
            self._counted.effect()
