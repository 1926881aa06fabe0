"""The beat table: one double per driver in shared memory, written by the worker's main loop, read by the host."""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING

from tierhost.ipc.limits import DRIVERS_MAX

if TYPE_CHECKING:
    from pathlib import Path

SLOT_BYTES = 8
AHEAD_S_MAX = 1.0


class Beats:
    """The host's view of `run/beats`. A slot holds CLOCK_MONOTONIC, which all processes of a machine share."""

    def __init__(self, path: Path) -> None:
        """Open or make the table. A table that a former host left is kept: its workers still write into it."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(fd, DRIVERS_MAX * SLOT_BYTES)
            self._map = mmap.mmap(fd, DRIVERS_MAX * SLOT_BYTES)
        finally:
            os.close(fd)
        self._slots = memoryview(self._map).cast("d")

    def start(self, slot: int, now_s: float) -> None:
        """Give a new life a fresh beat, so that it is not judged by its predecessor's."""
        self._slots[slot] = now_s

    def age_s(self, slot: int, now_s: float) -> float:
        """How long ago this slot's worker turned its loop. A beat that no honest clock gives counts as none at all."""
        age_s = now_s - self._slots[slot]
        # A beat may be younger than `now_s`, for it was read after that. (And nothing is true of a NaN.)
        return max(0.0, age_s) if -AHEAD_S_MAX <= age_s <= now_s else now_s

    def close(self) -> None:
        """Give the memory back; the file stays for the next host."""
        self._slots.release()
        self._map.close()
