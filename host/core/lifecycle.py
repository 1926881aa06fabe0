"""The phases of one driver's life and the moves between them: a table, and the picture drawn from it."""

from collections.abc import Mapping
from enum import Enum
from typing import Final


class Phase(Enum):
    """Where a driver is in its life. The value is what people read."""

    DORMANT = "its tier is not open yet"
    STARTING = "a process was ordered and has not greeted"
    ADOPTING = "a former host left this life behind; it has not greeted us"
    INITIALIZING = "state_initialize is under way"
    INITIALIZED = "can be called; waits until its whole tier is initialized"
    AUTOSTARTING = "state_auto_start is under way"
    READY = "all done, serving"
    RELOADING = "state_reload is under way, still serving"
    SKIPPED = "there is nothing to drive on this machine"
    STOPPING = "a person or the shutdown wants it down: state_stop, state_shutdown_prepare, state_shutdown_wait"
    CLEANING_UP = "state_cleanup is under way, nobody calls it any more"
    EVICTING = "this life is over, its body is not buried yet"
    BACKOFF = "waits a moment before the next life"
    QUARANTINED = "failed too often; stays down until a person releases it"
    STOPPED = "down as asked; stays down until a person releases it"


MOVES: Final[Mapping[Phase, Mapping[Phase, str]]] = {
    Phase.DORMANT: {
        Phase.STARTING: "the tier opens",
        Phase.ADOPTING: "a life was found",
        Phase.STOPPED: "stop",
    },
    Phase.STARTING: {
        Phase.INITIALIZING: "it greets",
        Phase.EVICTING: "silent, dead or stopped",
    },
    Phase.ADOPTING: {
        Phase.INITIALIZED: "it greets, initialized",
        Phase.READY: "it greets, auto-started",
        Phase.EVICTING: "silent, dead or half-way",
    },
    Phase.INITIALIZING: {
        Phase.INITIALIZED: "complete",
        Phase.EVICTING: "skipped, failed, late or dead",
    },
    Phase.INITIALIZED: {
        Phase.AUTOSTARTING: "the whole tier is initialized",
        Phase.READY: "auto-started before in this boot",
        Phase.STOPPING: "stop",
        Phase.EVICTING: "lost",
    },
    Phase.AUTOSTARTING: {
        Phase.READY: "answered",
        Phase.STOPPING: "stop",
        Phase.EVICTING: "lost or late",
    },
    Phase.READY: {
        Phase.RELOADING: "reload",
        Phase.STOPPING: "stop",
        Phase.EVICTING: "lost",
    },
    Phase.RELOADING: {
        Phase.READY: "answered",
        Phase.STOPPING: "stop",
        Phase.EVICTING: "lost or late",
    },
    Phase.SKIPPED: {
        Phase.STARTING: "restart or release",
        Phase.DORMANT: "released, the tier is not open",
        Phase.STOPPED: "stop",
    },
    Phase.STOPPING: {
        Phase.CLEANING_UP: "answered",
        Phase.EVICTING: "lost or late",
    },
    Phase.CLEANING_UP: {
        Phase.EVICTING: "answered, lost or late",
    },
    Phase.EVICTING: {
        Phase.STARTING: "buried: first failure, or asked for",
        Phase.BACKOFF: "buried: failed again",
        Phase.QUARANTINED: "buried: failed too often",
        Phase.SKIPPED: "buried: had nothing to drive",
        Phase.STOPPED: "buried: was to stop",
        Phase.DORMANT: "buried: the tier is not open",
    },
    Phase.BACKOFF: {
        Phase.STARTING: "time is over",
        Phase.DORMANT: "time is over, the tier is not open",
        Phase.STOPPED: "stop",
    },
    Phase.QUARANTINED: {
        Phase.STARTING: "release",
        Phase.DORMANT: "released, the tier is not open",
        Phase.STOPPED: "stop",
    },
    Phase.STOPPED: {
        Phase.STARTING: "release",
        Phase.DORMANT: "released, the tier is not open",
    },
}
"""Every move there is, and what leads to it. What is not here cannot happen."""

SETTLED: Final = frozenset({Phase.READY, Phase.RELOADING, Phase.SKIPPED})
"""As far as a driver gets: the tiers above need not wait for it."""

INITIALIZED: Final = SETTLED | {Phase.INITIALIZED, Phase.AUTOSTARTING}
"""`state_initialize` is behind it: its tier need not wait for it before auto-start."""

SERVING: Final = frozenset({Phase.INITIALIZED, Phase.AUTOSTARTING, Phase.READY, Phase.RELOADING})
"""Everybody may call it; it can be asked to stop politely."""

FAREWELL: Final = frozenset({Phase.STOPPING, Phase.CLEANING_UP})
"""On its way out; whatever happens to it now is no failure."""


class CoreBug(Exception):  # noqa: N818  # it is what it is called: ours, never a worker's
    """Root of what is raised when the core reached a place that was thought unreachable. The host must end, loudly."""


class IllegalMove(CoreBug):
    """Raised when a move is not in the table. The driver keeps its phase; the text tells its story."""

    def __init__(self, driver: str, start: Phase, finish: Phase, story: tuple[str, ...]) -> None:
        super().__init__(f"{driver} cannot move from {start.name} to {finish.name}, after: {' > '.join(story) or 'nothing'}")
        self.driver = driver
        self.start = start
        self.finish = finish


def check_move(driver: str, start: Phase, finish: Phase, story: tuple[str, ...] = ()) -> None:
    """Refuse what is not in the table. Called before anything is changed. Raises IllegalMove."""
    if finish not in MOVES[start]:
        raise IllegalMove(driver, start, finish, story)


def draw() -> str:
    """Draw the table as a mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {Phase.DORMANT.name}"]
    lines += [f"    {start.name} --> {finish.name}: {why}" for start, moves in MOVES.items() for finish, why in moves.items()]
    return "\n".join(lines)


def document() -> str:
    """Write docs/lifecycle.md, all of it from the table; a test compares the file with this text."""
    phases = "\n".join(f"| `{phase.name}` | {phase.value} |" for phase in Phase)
    return (
        "# The life of a driver\n\n"
        "Drawn from the table in `host/core/lifecycle.py`; `make docs` writes this file again.\n\n"
        f"```mermaid\n{draw()}\n```\n\n"
        f"| phase | meaning |\n|---|---|\n{phases}\n"
    )
