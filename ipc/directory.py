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
        self._interest: dict[int, str] = {}

    def up(self, entry: Entry) -> None:
        """Note that a life can be called, and that every earlier one is over. Stale news changes nothing."""
        with self._lock:
            known = self._up.get(entry.driver)
            if self.is_dead(entry.driver, entry.incarnation) or (known and known.incarnation > entry.incarnation):
                return
            self._bury(entry.driver, entry.incarnation - 1)
            self._forget_pid(known)
            self._up[entry.driver] = entry
            self._by_pid[entry.pid] = entry
            self._wake(entry.driver)

    def down(self, driver: str, incarnation: int) -> None:
        """Note that a life, and every earlier one, is over."""
        with self._lock:
            self._bury(driver, incarnation)
            self._wake(driver)

    def withdraw(self, driver: str, incarnation: int) -> None:
        """Note that a life cannot be called just now, and may come up again: nobody said that it is over."""
        with self._lock:
            known = self._up.get(driver)
            if known is not None and known.incarnation == incarnation:
                del self._up[driver]
                self._forget_pid(known)
                self._wake(driver)

    def find(self, driver: str) -> Entry | None:
        """Return the life of this driver that can be called now."""
        return self._up.get(driver)

    def by_pid(self, pid: int) -> Entry | None:
        """Return the life that this process lives."""
        return self._by_pid.get(pid)

    def is_dead(self, driver: str, incarnation: int) -> bool:
        """Whether this life is known to be over."""
        return incarnation <= self._dead.get(driver, NO_LIFE)

    def lives(self) -> list[Entry]:
        """Return every life that is up."""
        with self._lock:
            return list(self._up.values())

    # Threads that wait.

    def watch(self) -> int:
        """Return an eventfd that is written at every change of the driver of interest; give it back with `unwatch`."""
        fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        with self._lock:
            self._interest[fd] = ""
        return fd

    def follow(self, fd: int, driver: str) -> None:
        """Write this eventfd for changes of this driver from now on. Look at the directory after this, not before."""
        with self._lock:
            self._interest[fd] = driver

    def unwatch(self, fd: int) -> None:
        """Close an eventfd of `watch`."""
        with self._lock:
            del self._interest[fd]
        os.close(fd)

    # With the lock held.

    def _bury(self, driver: str, incarnation: int) -> None:
        self._dead[driver] = max(incarnation, self._dead.get(driver, NO_LIFE))
        known = self._up.get(driver)
        if known is None or known.incarnation > incarnation:
            return
        del self._up[driver]
        self._forget_pid(known)

    def _forget_pid(self, entry: Entry | None) -> None:
        # The pid may belong to another life by now.
        if entry is not None and self._by_pid.get(entry.pid) is entry:
            del self._by_pid[entry.pid]

    def _wake(self, driver: str) -> None:
        for fd, interest in self._interest.items():
            if interest == driver:
                os.eventfd_write(fd, 1)
