"""Waiting, in a thread, for an event that a command of ours will cause."""

from __future__ import annotations

import queue
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


class MonitorSilent(DriverError):
    """Raised when a guest's QEMU does not answer in time: it is stopped, hangs, or is dying. The guest is not touched."""

    code = Code.AGENT_UNRESPONSIVE


class Expectations:
    """Who waits for which event of which guest. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, list[tuple[str, queue.SimpleQueue[Mapping[str, Any] | None]]]] = {}

    @contextmanager
    def expecting(self, uuid: str, kind: str) -> Iterator[Callable[[float], Mapping[str, Any]]]:
        """Enter before the command; call what it yields, with a deadline, after it.

        The call returns the next such event's data; it raises MonitorSilent when none comes, or the monitor is lost.
        """
        events: queue.SimpleQueue[Mapping[str, Any] | None] = queue.SimpleQueue()
        entry = (kind, events)

        def wait(deadline_s: float) -> Mapping[str, Any]:
            try:
                data = events.get(timeout=max(0.0, deadline_s - time.monotonic()))
            except queue.Empty:
                raise MonitorSilent(f"no {kind} came in time", subject=f"guest {uuid}") from None
            if data is None:
                raise MonitorSilent(f"its monitor went away before {kind}", subject=f"guest {uuid}")
            return data

        with self._lock:
            self._waiting.setdefault(uuid, []).append(entry)
        try:
            yield wait
        finally:
            with self._lock:
                self._waiting[uuid].remove(entry)
                if not self._waiting[uuid]:
                    del self._waiting[uuid]

    def tell(self, uuid: str, kind: str, data: Mapping[str, Any]) -> None:
        """An event has come."""
        for wanted, events in self._of(uuid):
            if wanted == kind:
                events.put(data)

    def tell_lost(self, uuid: str) -> None:
        """The monitor is lost: nothing will come any more."""
        for _, events in self._of(uuid):
            events.put(None)

    def _of(self, uuid: str) -> list[tuple[str, queue.SimpleQueue[Mapping[str, Any] | None]]]:
        with self._lock:
            return list(self._waiting.get(uuid, ()))
