"""Whether a driver that failed may try again, and when: pure arithmetic on the moments of its failures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tierhost.host.core.spec import Policy

QUARANTINE: Final = None
"""The answer of `wait_s` when the driver must not try again."""


def recent(failures_s: tuple[float, ...], now_s: float, period_s: float) -> tuple[float, ...]:
    """Forget the failures that are older than the period."""
    return tuple(failed_s for failed_s in failures_s if now_s - failed_s <= period_s)


def wait_s(failures: int, policy: Policy) -> float | None:
    """Say how long to wait after so many failures within the period, the latest included; QUARANTINE: for a person."""
    if failures > policy.intensity_max:
        return QUARANTINE
    if failures <= 1:
        return policy.backoff_first_s
    return min(policy.backoff_max_s, policy.backoff_step_s * 2.0 ** min(failures - 2, 64))
