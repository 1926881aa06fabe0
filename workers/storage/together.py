"""Do the same for several pools at once, so that one that hangs keeps nobody else waiting."""

from __future__ import annotations

import threading
import time
from contextvars import copy_context
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Thing = TypeVar("Thing")


def together(act: Callable[[Thing], None], things: Sequence[Thing], limit_s: float) -> list[Thing]:
    """Call `act` with each thing in a thread of its own; return those that it has not come back from in time.

    Their threads go on, and may still come back. They serve the same call as the caller: its deadline holds for them.
    """
    deadline_s = time.monotonic() + limit_s
    threads = [(thing, threading.Thread(target=copy_context().run, args=(act, thing), daemon=True)) for thing in things]
    for _, thread in threads:
        thread.start()
    late = []
    for thing, thread in threads:
        thread.join(max(0.0, deadline_s - time.monotonic()))
        if thread.is_alive():
            late.append(thing)
    return late
