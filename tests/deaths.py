"""For programs that die right after one effect on the world, so that a test can look at what the next life makes of it.

They fork, so they must have one thread only: a test runs each as a process of its own.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

DIED, SURVIVED, RAISED = 9, 0, 3
"""How a forked child ends."""


class Steps:
    """Counts effects on the world, and dies right after the one that was asked for. One effect within another is no step."""

    def __init__(self, die_after: int) -> None:
        self._left = die_after
        self._within = threading.local()

    def _step(self) -> None:
        self._left -= 1
        if self._left == 0:
            os._exit(DIED)

    def after(self, owner: Any, name: str) -> None:
        """Count every call of this function, when it is done."""
        function = getattr(owner, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            if getattr(self._within, "effect", False):
                return function(*args, **kwargs)
            self._within.effect = True
            try:
                value = function(*args, **kwargs)
            finally:
                self._within.effect = False
            self._step()
            return value

        setattr(owner, name, counted)

    def after_awaited(self, owner: Any, name: str) -> None:
        """The same for a coroutine, in whatever thread it runs."""
        function = getattr(owner, name)

        async def counted(*args: Any, **kwargs: Any) -> Any:
            value = await function(*args, **kwargs)
            self._step()
            return value

        setattr(owner, name, counted)


def in_child(work: Callable[[], int]) -> int:
    """Run in a forked child; return its exit code."""
    child = os.fork()
    if child == 0:
        code = RAISED
        try:
            code = work()
        finally:
            # Whatever was raised ends here: above us is the parent's own stack, for a second time.
            if code == RAISED:
                traceback.print_exc(limit=-3)
            sys.stdout.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def tell(text: str) -> None:
    """Say it now: what follows may end the process."""
    sys.stdout.write(text)
    sys.stdout.flush()
