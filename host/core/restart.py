"""Restart arithmetic: how many failures are normal, and how long to wait before the next life. No clock in here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tierhost.host.core.spec import Policy


def add_failure(failures: tuple[float, ...], now_s: float, policy: Policy) -> tuple[float, ...]:
    """Return the failures that still count, this one included. Every failure counts, whenever in a life it happens."""
    return (*(at_s for at_s in failures if now_s - at_s < policy.intensity_period_s), now_s)


def is_too_many(failures: tuple[float, ...], policy: Policy) -> bool:
    """Whether it is time for quarantine."""
    return len(failures) > policy.intensity_max


def backoff_s(failures: tuple[float, ...], policy: Policy) -> float:
    """How long to wait: nothing after the first failure, since backoff is for crash loops; then doubling, with a cap."""
    if len(failures) <= 1:
        return 0.0
    return float(min(policy.backoff_first_s * 2 ** (len(failures) - 2), policy.backoff_max_s))
