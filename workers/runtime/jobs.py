"""One change at a time per object: a stuck object holds up its own changes, never those of another, never a read."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tierhost.ipc.errors import Busy, Code, DeadlineExceeded
from tierhost.workers.runtime import calling

if TYPE_CHECKING:
    from collections.abc import Iterator

WAITERS_MAX = 32
"""Threads that may wait for one object; the next is refused, so that a stuck object does not fill the pool."""


@dataclass(slots=True)
class _Job:
    lock: threading.RLock = field(default_factory=threading.RLock)
    users: int = 0
    holder: str = ""
    since_s: float = 0.0


class Jobs:
    """The locks of one driver, made when needed and dropped when nobody wants them."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._jobs: dict[str, _Job] = {}
        self._mine = threading.local()

    @contextmanager
    def changing(self, name: str, deadline_s: float | None = None) -> Iterator[None]:
        """Hold the object `name` ("guest web") while it is changed; the same thread may ask again.

        Waits until `deadline_s`, or as long as the call in progress may take. Raises DeadlineExceeded with who holds
        it, or Busy when too many wait already.
        """
        job = self._join(name)
        try:
            until_s = calling.deadline_s() if deadline_s is None else deadline_s
            if not job.lock.acquire(timeout=max(0.0, until_s - time.monotonic())):
                held_s = time.monotonic() - job.since_s
                reason = f"another change ({job.holder}) has held it for {held_s:.1f} s"
                raise DeadlineExceeded(reason, code=Code.OPERATION_TIMEOUT, subject=name, hint="it may be stuck; try again later")
            held = self._held()
            if name not in held:
                job.holder, job.since_s = threading.current_thread().name, time.monotonic()
            held.append(name)
            try:
                yield
            finally:
                held.remove(name)
                job.lock.release()
        finally:
            self._leave(name, job)

    def held(self) -> tuple[str, ...]:
        """What this thread holds: nothing may be held across a call to another worker."""
        return tuple(self._held())

    def _held(self) -> list[str]:
        names: list[str] | None = getattr(self._mine, "names", None)
        if names is None:
            names = self._mine.names = []
        return names

    def _join(self, name: str) -> _Job:
        with self._guard:
            job = self._jobs.setdefault(name, _Job())
            if job.users > WAITERS_MAX:
                reason = f"{job.users} changes wait for it already"
                raise Busy(reason, subject=name, hint="try again later")
            job.users += 1
            return job

    def _leave(self, name: str, job: _Job) -> None:
        with self._guard:
            job.users -= 1
            if job.users == 0:
                del self._jobs[name]
