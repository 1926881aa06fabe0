"""What the core is told before anything happens: the drivers there are, and how patient to be with them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

VERB_LIMITS_S: Final[Mapping[str, float]] = MappingProxyType(
    {
        "initialize": 30.0,
        "auto_start": 120.0,
        "reload": 60.0,
        "stop": 300.0,
        "shutdown_prepare": 10.0,
        "shutdown_wait": 30.0,
        "cleanup": 10.0,
    }
)
"""How long each verb may take when the driver's manifest does not say. Saving guests is slow, giving back is not."""


@dataclass(frozen=True, slots=True)
class DriverSpec:
    """One driver, as far as the core needs to know it. `limits_s` names verbs without their "state_"."""

    name: str
    tier: str
    required: bool = True
    limits_s: Mapping[str, float] = field(default_factory=dict)

    def limit_s(self, verb: str) -> float:
        """How long this driver may take for `verb` ("state_initialize")."""
        short = verb.removeprefix("state_")
        return self.limits_s.get(short, VERB_LIMITS_S[short])


@dataclass(frozen=True, slots=True)
class Policy:
    """How often to try again, and how long to wait for anything. The same for every driver; the budgets are per driver.

    More than `intensity_max` failures within `intensity_period_s` end in quarantine. The first failure in that period
    costs a wait of `backoff_first_s` (none), the second `backoff_step_s`, and then twice the wait before, at most
    `backoff_max_s`. A worker must beat every `patience_s`, or every `patience_stopped_s` if the kernel says that it is
    stopped; it must greet `greet_s` after it was ordered (`adopt_s` if a former host left it behind), and be dead
    `evict_s` after it was killed (then the kill is repeated, for nothing else can be done).
    """

    intensity_max: int = 5
    intensity_period_s: float = 10.0
    backoff_first_s: float = 0.0
    backoff_step_s: float = 0.1
    backoff_max_s: float = 8.0
    patience_stopped_s: float = 0.5
    patience_s: float = 5.0
    greet_s: float = 10.0
    adopt_s: float = 3.0
    evict_s: float = 5.0
