"""The phases of one driver's life and the moves between them: a table, and nothing that is not in it."""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    """Where a driver is in its life."""

    DORMANT = "its tier has not opened"
    ADOPTING = "a former host's life that has not said hello yet"
    INITIALIZING = "a process is on its way, or runs state_initialize"
    INITIALIZED = "can be called; waits for the rest of its tier"
    AUTOSTARTING = "runs state_auto_start"
    READY = "serves"
    RELOADING = "serves, and reads its definitions again"
    SKIPPED = "has nothing to drive on this machine"
    STOPPING = "finishes what it accepted"
    CLEANING_UP = "gives back what it took"
    STOPPED = "down until a person releases it"
    EVICTING = "is dead or being killed; nothing starts before it is buried"
    BACKOFF = "waits a little before its next life"
    QUARANTINED = "failed too often; down until a person releases it"

    # Members are singletons. An Enum's own hash is Python code, and a host with many drivers asks for it all the time.
    __hash__ = object.__hash__


P = Phase
NEXT: dict[Phase, frozenset[Phase]] = {
    P.DORMANT: frozenset({P.INITIALIZING, P.ADOPTING, P.STOPPED}),
    P.ADOPTING: frozenset({P.INITIALIZED, P.READY, P.EVICTING}),
    P.INITIALIZING: frozenset({P.INITIALIZED, P.EVICTING}),
    P.INITIALIZED: frozenset({P.AUTOSTARTING, P.READY, P.STOPPING, P.EVICTING}),
    P.AUTOSTARTING: frozenset({P.READY, P.STOPPING, P.EVICTING}),
    P.READY: frozenset({P.RELOADING, P.STOPPING, P.EVICTING}),
    P.RELOADING: frozenset({P.READY, P.STOPPING, P.EVICTING}),
    P.STOPPING: frozenset({P.CLEANING_UP, P.EVICTING}),
    P.CLEANING_UP: frozenset({P.EVICTING}),
    P.EVICTING: frozenset({P.DORMANT, P.INITIALIZING, P.BACKOFF, P.QUARANTINED, P.SKIPPED, P.STOPPED}),
    P.BACKOFF: frozenset({P.DORMANT, P.INITIALIZING, P.STOPPED}),
    P.QUARANTINED: frozenset({P.DORMANT, P.INITIALIZING, P.STOPPED}),
    P.SKIPPED: frozenset({P.DORMANT, P.INITIALIZING, P.STOPPED}),
    P.STOPPED: frozenset({P.DORMANT, P.INITIALIZING}),
}

EMBODIED = frozenset(
    {
        P.ADOPTING,
        P.INITIALIZING,
        P.INITIALIZED,
        P.AUTOSTARTING,
        P.READY,
        P.RELOADING,
        P.STOPPING,
        P.CLEANING_UP,
        P.EVICTING,
    }
)
"""Phases in which the driver has a process, or may have one."""

AT_REST = frozenset({P.DORMANT, P.SKIPPED, P.STOPPED, P.BACKOFF, P.QUARANTINED})
"""Phases in which it certainly has none."""

CALLABLE = frozenset({P.INITIALIZED, P.AUTOSTARTING, P.READY, P.RELOADING, P.STOPPING})
"""Phases in which others may call it."""


class CoreBug(Exception):  # it says what it is
    """Raised when we reach a place that we had proved unreachable. Ours, never a worker's fault."""


def check_move(before: Phase, after: Phase) -> None:
    """Raise CoreBug for a move that is not in the table."""
    if after not in NEXT[before]:
        reason = f"{before.name} -> {after.name} is no move of a driver's life"
        raise CoreBug(reason)


def mermaid() -> str:
    """Draw the table for the documentation."""
    lines = ["stateDiagram-v2", "    [*] --> DORMANT"]
    lines += [f"    {before.name} --> {after.name}" for before in Phase for after in Phase if after in NEXT[before]]
    return "\n".join(lines)
