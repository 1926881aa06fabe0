"""Who can be called: the lives that are up, as the host announces them; threads that wait for one are woken."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass

NO_LIFE = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """One life that can be called, and what its manifest lets it call ("secret.get_value")."""

    driver: str
    incarnation: int
    endpoint: str
    pid: int
    needs: frozenset[str] = frozenset()


class Directory:
    """Thread-safe. Written by whoever hears the host (a worker's loop, a client's pump), read by every caller."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._up: dict[str, Entry] = {}
        self._by_pid: dict[int, Entry] = {}
        self._dead: dict[str, int] = {}
        self._waiters: set[int] = set()

    def up(self, entry: Entry) -> None:
        """A life can be called. Stale news (of a life that is dead or replaced) changes nothing."""
        with self._lock:
            known = self._up.get(entry.driver)
            if entry.incarnation <= self._dead.get(entry.driver, NO_LIFE) or (known and known.incarnation > entry.incarnation):
                return
            if known is not None:
                self._by_pid.pop(known.pid, None)
            self._up[entry.driver] = entry
            self._by_pid[entry.pid] = entry
            self._wake()

    def down(self, driver: str, incarnation: int) -> None:
        """A life, and every earlier one, is over."""
        with self._lock:
            self._dead[driver] = max(incarnation, self._dead.get(driver, NO_LIFE))
            known = self._up.get(driver)
            if known is not None and known.incarnation <= incarnation:
                del self._up[driver]
                self._by_pid.pop(known.pid, None)
            self._wake()

    def find(self, driver: str) -> Entry | None:
        """The life of this driver that can be called now."""
        return self._up.get(driver)

    def by_pid(self, pid: int) -> Entry | None:
        """The life that this process lives."""
        return self._by_pid.get(pid)

    def is_dead(self, driver: str, incarnation: int) -> bool:
        """Whether this life is known to be over."""
        return incarnation <= self._dead.get(driver, NO_LIFE)

    def lives(self) -> list[Entry]:
        """Every life that is up."""
        with self._lock:
            return list(self._up.values())

    def watch(self) -> int:
        """Return an eventfd that is written at every change; give it back with `unwatch`."""
        fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        with self._lock:
            self._waiters.add(fd)
        return fd

    def unwatch(self, fd: int) -> None:
        with self._lock:
            self._waiters.discard(fd)
        os.close(fd)

    def _wake(self) -> None:
        for fd in self._waiters:
            os.eventfd_write(fd, 1)
