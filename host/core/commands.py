"""What to do: orders the core gives the shell. Imperative, frozen."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class StartWorker:
    """Give this life a process: a warm spare, or a fork of the zygote."""

    driver: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class RunVerb:
    """Let the worker run one verb; the core watches the deadline itself."""

    driver: str
    incarnation: int
    verb: str
    limit_s: float


@dataclass(frozen=True, slots=True)
class AdoptWorker:
    """Welcome the life a former host left behind."""

    driver: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class AnnounceUp:
    """Tell everybody that this life can be called."""

    driver: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class AnnounceDown:
    """Tell everybody that this life is over. Given once for every AnnounceUp."""

    driver: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class EvictWorker:
    """Kill everything of this life. Answer with WorkerExited, then WorkerBuried."""

    driver: str
    incarnation: int
    reason: str


@dataclass(frozen=True, slots=True)
class BuryWorker:
    """The process is dead: end what it left in its cgroup or session, then answer with WorkerBuried."""

    driver: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class PublishPhase:
    """The driver is in another phase now: for status, events and the service manager."""

    driver: str
    incarnation: int
    phase: str
    reason: str


@dataclass(frozen=True, slots=True)
class PublishTier:
    """Every driver of this tier is as far as it will get ("ready"), or the tier waits for one ("held", with its name)."""

    tier: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class RefuseShutdown:
    """Drivers hold the shutdown off; tell whoever asked, with the reasons."""

    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EndHost:
    """Every worker is gone: leave."""


Command: TypeAlias = (
    StartWorker
    | RunVerb
    | AdoptWorker
    | AnnounceUp
    | AnnounceDown
    | EvictWorker
    | BuryWorker
    | PublishPhase
    | PublishTier
    | RefuseShutdown
    | EndHost
)
