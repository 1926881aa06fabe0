"""Tolerances: what an answer must be like."""

from __future__ import annotations

from typing import Any

import pytest

from tierhost.drills.hypothesis import outside

ROWS = [{"name": "web", "state": "running"}, {"name": "off", "state": "shutoff"}]


@pytest.mark.parametrize(
    ("tolerance", "value", "wrong"),
    [
        ({"equals": 3}, 3, ""),
        ({"equals": 3}, 4, "expected 3, got 4"),
        ({"count": 2}, ROWS, ""),
        ({"count": 3}, ROWS, "expected 3 of them, got 2"),
        ({"count": 3}, None, "expected 3 of them, got None"),
        ({"at_least": 1}, ROWS, ""),
        ({"at_least": 3}, ROWS, "expected at least 3, got 2"),
        ({"at_least": 3}, 2.5, "expected at least 3, got 2.5"),
        ({"contains": {"name": "web", "state": "running"}}, ROWS, ""),
        ({"contains": {"name": "web", "state": "paused"}}, ROWS, "expected {'name': 'web', 'state': 'paused'} in "),
        ({"contains": {"name": "web"}}, ROWS[0], ""),
        ({"contains": "web"}, ["web"], ""),
        ({"at_most_s": 0.5}, None, ""),
        ({"at_most_s": 0.05}, None, "took 0.100 s, at most 0.05 s"),
        ({"count": 2, "contains": {"name": "db"}}, ROWS, "expected {'name': 'db'} in "),
        ({}, None, ""),
    ],
)
def test_an_answer_lies_in_its_tolerance_or_it_is_said_why_not(tolerance: dict[str, Any], value: Any, wrong: str) -> None:
    said = outside(tolerance, value, took_s=0.1)
    assert said.startswith(wrong)
    assert bool(said) == bool(wrong)
