"""What happened: facts the shell tells the core. Past tense, frozen, without a clock."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class HostStarted:
    """The shell is ready. Lives that a former host left behind follow as LifeFound before it."""


@dataclass(frozen=True, slots=True)
class LifeFound:
    """A record of a former host names a process that is alive (pidfd and start time agree). Adopt or evict it."""

    driver: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class IncarnationSeen:
    """A former host got as far as this life; numbers up to it are used up."""

    driver: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class WorkerStarted:
    """The process of this life runs (or a spare took the role)."""

    driver: str
    incarnation: int
    pid: int


@dataclass(frozen=True, slots=True)
class WorkerStartFailed:
    """No process could be made for this life."""

    driver: str
    incarnation: int
    reason: str


@dataclass(frozen=True, slots=True)
class WorkerGreeted:
    """The worker said hello. `phase` is empty, or the last verb a life under way had finished."""

    driver: str
    incarnation: int
    phase: str


@dataclass(frozen=True, slots=True)
class VerbReported:
    """The worker answered a verb: outcome "complete", "skipped" or "failed"."""

    driver: str
    incarnation: int
    verb: str
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class WorkerExited:
    """The kernel says that the process is dead (pidfd). `how` is for people: "signal 9", "exit 3"."""

    driver: str
    incarnation: int
    how: str


@dataclass(frozen=True, slots=True)
class WorkerBuried:
    """Nothing of this life is left: process, its children, its cgroup or session."""

    driver: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class BeatRead:
    """A look at the beat table: how old the beat is. `stopped`: the kernel says the process is stopped."""

    driver: str
    incarnation: int
    age_s: float
    stopped: bool


@dataclass(frozen=True, slots=True)
class ProtocolBroken:
    """The worker sent what no honest worker sends."""

    driver: str
    incarnation: int
    reason: str


@dataclass(frozen=True, slots=True)
class InhibitChanged:
    """The driver holds off the host's shutdown, or no longer does."""

    driver: str
    incarnation: int
    held: bool
    why: str


@dataclass(frozen=True, slots=True)
class RestartAsked:
    """A person wants a fresh life for this driver, now."""

    driver: str


@dataclass(frozen=True, slots=True)
class StopAsked:
    """A person wants this driver down, and to stay down until released."""

    driver: str


@dataclass(frozen=True, slots=True)
class ReleaseAsked:
    """A person lets a quarantined or stopped driver try again."""

    driver: str


@dataclass(frozen=True, slots=True)
class ReloadAsked:
    """A person wants every driver (or, with a name, one) to read its definitions again."""

    driver: str = ""


@dataclass(frozen=True, slots=True)
class ShutdownAsked:
    """The host is to end. `save`: the machine goes down, guests are saved (state_stop). `force`: inhibitors do not count."""

    save: bool
    force: bool


@dataclass(frozen=True, slots=True)
class TimePassed:
    """Nothing else happened: look at the deadlines."""


Event: TypeAlias = (
    HostStarted
    | LifeFound
    | IncarnationSeen
    | WorkerStarted
    | WorkerStartFailed
    | WorkerGreeted
    | VerbReported
    | WorkerExited
    | WorkerBuried
    | BeatRead
    | ProtocolBroken
    | InhibitChanged
    | RestartAsked
    | StopAsked
    | ReleaseAsked
    | ReloadAsked
    | ShutdownAsked
    | TimePassed
)
