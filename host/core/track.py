"""What the core knows of one driver: its phase, its current life, its failures, its story."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from tierhost.host.core.lifecycle import EMBODIED, Phase, check_move
from tierhost.host.core.story import Story

if TYPE_CHECKING:
    from tierhost.host.core.spec import DriverSpec


class After(Enum):
    """What follows once an evicted life is buried."""

    RESTART = "another life"
    RETRY = "another life, after a failure"
    SKIP = "nothing: there is nothing to drive"
    STOP = "nothing, until a person releases it"


@dataclass(slots=True)
class Track:
    """One driver's record. Only the supervisor writes it; `move` is the only way to another phase."""

    spec: DriverSpec
    auto_started: bool
    phase: Phase = Phase.DORMANT
    reason: str = ""
    incarnation: int = 0
    since_s: float = 0.0
    deadline_s: float | None = None
    failures: tuple[float, ...] = ()
    restarts: int = 0
    last_error: str = ""
    announced: bool = False
    greeted: bool = False
    adopted: bool = False
    exited: bool = False
    after: After = After.RETRY
    verbs: tuple[str, ...] = ()
    to_stop: tuple[str, ...] = ()
    inhibits: str = ""
    past_initialize: bool = False
    past_auto_start: bool = False
    wanted_reload: bool = False
    story: Story = field(default_factory=Story)

    @property
    def name(self) -> str:
        """The driver's name."""
        return self.spec.name

    @property
    def has_body(self) -> bool:
        """Whether a process of this driver may exist."""
        return self.phase in EMBODIED

    def move(self, phase: Phase, now_s: float, reason: str = "", *, limit_s: float | None = None) -> None:
        """Go to another phase, with the time it may take. A move that is not in the table raises and changes nothing."""
        check_move(self.phase, phase)
        self.phase = phase
        self.reason = reason
        self.since_s = now_s
        self.deadline_s = None if limit_s is None else now_s + limit_s
        self.story.tell(now_s, f"life {self.incarnation}: {phase.name}" + (f" ({reason})" if reason else ""))


@dataclass(frozen=True, slots=True)
class DriverView:
    """One driver, for status."""

    name: str
    tier: str
    phase: str
    reason: str
    incarnation: int
    restarts: int
    since_s: float
    last_error: str
    required: bool


def view(track: Track) -> DriverView:
    """Show a track to the outside."""
    return DriverView(
        track.name,
        track.spec.tier,
        track.phase.name,
        track.reason,
        track.incarnation,
        track.restarts,
        track.since_s,
        track.last_error,
        track.spec.required,
    )
