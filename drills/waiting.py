"""Waiting for the outside world where it gives no event: for a condition, with a deadline. And for ends, where it does."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Final, TypeVar

from tierhost.drills import leaks
from tierhost.ipc.errors import DeadlineExceeded

if TYPE_CHECKING:
    from collections.abc import Callable

Found = TypeVar("Found")

LIMIT_S: Final = 30.0
LOOK_AGAIN_S: Final = 0.01
GONE_LIMIT_S: Final = 10.0


def until(condition: Callable[[], Found | None], what: str, *, limit_s: float = LIMIT_S, period_s: float = LOOK_AGAIN_S) -> Found:
    """Return the condition's first true value. Raises DeadlineExceeded, which says `what` was waited for."""
    end_s = time.monotonic() + limit_s
    pause = threading.Event()
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end_s:
            raise DeadlineExceeded(f"this did not come about in {limit_s:g} s: {what}")
        pause.wait(period_s)


def within(condition: Callable[[], bool], limit_s: float) -> bool:
    """Return whether the condition has come true within this time."""
    try:
        return until(condition, "it", limit_s=limit_s)
    except DeadlineExceeded:
        return False


def strike(pid: int, number: signal.Signals = signal.SIGKILL) -> bool:
    """Send a signal, and after SIGKILL wait for the end. Returns whether there was anybody to send it to."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        signal.pidfd_send_signal(pidfd, number)
        return number != signal.SIGKILL or leaks.wait_readable(pidfd, GONE_LIMIT_S)
    except ProcessLookupError:
        return False
    finally:
        os.close(pidfd)
