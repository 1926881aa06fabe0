"""Waiting for the outside world in tests: for a condition, with a deadline, and without guessing a time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

Found = TypeVar("Found")

PATIENCE_S = 20.0


def until(condition: Callable[[], Found | None], what: str, patience_s: float = PATIENCE_S) -> Found:
    """Return the condition's first true value; for what the outside world gives no event for. Fails with `what`."""
    deadline_s = time.monotonic() + patience_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline_s:
            pytest.fail(f"not within {patience_s} s: {what}")
        time.sleep(0.005)
