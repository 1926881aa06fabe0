"""What the core is told before anything starts: the drivers, and the numbers of its policy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

VERB_LIMITS_S = {
    "state_initialize": 30.0,
    "state_auto_start": 120.0,
    "state_reload": 60.0,
    "state_stop": 120.0,
    "state_shutdown_prepare": 5.0,
    "state_shutdown_wait": 30.0,
    "state_cleanup": 10.0,
}
"""How long each verb may take where the driver's manifest does not say."""


@dataclass(frozen=True, slots=True)
class DriverSpec:
    """One driver, as far as the core cares. `limits_s`: verb without "state_" -> seconds."""

    name: str
    tier: str
    required: bool = True
    limits_s: Mapping[str, float] = field(default_factory=dict)

    def limit_s(self, verb: str) -> float:
        """How long this driver may take for a verb."""
        return self.limits_s.get(verb.removeprefix("state_"), VERB_LIMITS_S[verb])

    def longest_s(self) -> float:
        """How long a verb that is under way may take, whichever it is."""
        return max(self.limit_s(verb) for verb in VERB_LIMITS_S)


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient the host is. More than `intensity_max` failures of one driver within `intensity_period_s` end in quarantine.

    A life that a former host left behind greets between verbs: it has `adopt_s`, and the time of the verb that may be under way.
    """

    intensity_max: int = 5
    intensity_period_s: float = 10.0
    backoff_first_s: float = 0.1
    backoff_max_s: float = 8.0
    greet_s: float = 10.0
    adopt_s: float = 3.0
    evict_s: float = 5.0
    patience_stopped_s: float = 0.5
    patience_s: float = 5.0
