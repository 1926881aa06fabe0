"""The call that a thread is serving: its id, its caller, its deadline. Set by the runtime, read by store, jobs, services."""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import NamedTuple


class Caller(NamedTuple):
    """Who asks, by the kernel's word: the process, and the driver whose life it is (empty: a client)."""

    uid: int
    gid: int
    pid: int
    driver: str = ""
    incarnation: int = 0


CALL_ID: ContextVar[bytes | None] = ContextVar("CALL_ID", default=None)
"""The id of the change under way in this thread; None during reads and verbs."""

CALLER: ContextVar[Caller | None] = ContextVar("CALLER", default=None)
"""Who asked, None outside a call."""

DEADLINE_S: ContextVar[float | None] = ContextVar("DEADLINE_S", default=None)
"""The instant (CLOCK_MONOTONIC) at which the caller stops waiting."""

PATIENCE_S = 10.0
"""For work that no caller waits for."""


def deadline_s() -> float:
    """The instant by which what this thread waits for must have happened."""
    return DEADLINE_S.get() or time.monotonic() + PATIENCE_S
