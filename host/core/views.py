"""What others may see of the core: frozen copies for status, never the records themselves."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DriverView:
    """One driver. `since_s`: when it came into this phase, on the host's clock. `restarts`: lives after the first one."""

    name: str
    tier: str
    phase: str
    incarnation: int
    restarts: int
    since_s: float
    last_error: str
    required: bool


@dataclass(frozen=True, slots=True)
class TierView:
    """One tier: "dormant", "starting", "ready", "held" (with the reason), "stopping" or "stopped"."""

    name: str
    state: str
    reason: str
