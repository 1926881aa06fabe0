"""What a guest's state is called, and what to do with what a restart finds. Pure: tables and questions."""

from __future__ import annotations

from enum import Enum
from typing import Final

STATES: Final[dict[str, tuple[str, str]]] = {
    "running": ("running", "booted"),
    "paused": ("paused", "user"),
    "suspended": ("pmsuspended", "unknown"),
    "prelaunch": ("paused", "starting up"),
    "inmigrate": ("paused", "migrating"),
    "finish-migrate": ("paused", "migrating"),
    "save-vm": ("paused", "saving"),
    "postmigrate": ("paused", "saving"),
    "restore-vm": ("paused", "starting up"),
    "debug": ("paused", "unknown"),
    "watchdog": ("paused", "watchdog"),
    "colo": ("paused", "unknown"),
    "io-error": ("paused", "ioerror"),
    "internal-error": ("paused", "unknown"),
    "guest-panicked": ("crashed", "panicked"),
    "shutdown": ("shutdown", "unknown"),
}
"""QEMU's run state -> libvirt's state and reason."""


class Finding(Enum):
    """What to do with a guest after a restart of this driver."""

    ADOPT = "its process lives: take it up again"
    REBUILD = "its process lives and its record is lost: make the record again"
    UNDO = "its start was never acknowledged: end it, as if it had never been asked for"
    GONE = "its process is dead: it is shut off"
    NOTHING = "it is shut off, and nothing runs"


def find_out(*, recorded: bool, intended: bool, alive: bool) -> Finding:
    """Decide from the record, the intent to start, and whether a process of this guest lives.

    A living process is never doubled, whatever the files say; a dead one is never shown as running.
    """
    if alive:
        if recorded:
            return Finding.ADOPT
        return Finding.UNDO if intended else Finding.REBUILD
    if recorded:
        return Finding.GONE
    return Finding.UNDO if intended else Finding.NOTHING


def state_of(status: str) -> tuple[str, str]:
    """Translate QEMU's run state."""
    return STATES.get(status, ("running", "unknown"))


def retry_s(attempt: int) -> float:
    """How long to wait before the next try at something that storage or a secret holds up."""
    return float(min(0.2 * 2**attempt, 10.0))
