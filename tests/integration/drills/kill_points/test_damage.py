"""A sample of the damage sweep: whatever happens to one state file, nothing is lost."""

from __future__ import annotations

import pytest

from tierhost.drills.commands.damage import sweep
from tierhost.drills.kill_points.operation import DRIVERS


@pytest.mark.slow
def test_damaged_files_cost_nothing_and_lost_ones_are_told() -> None:
    rows = sweep(DRIVERS, sample=12)
    assert [f"{row['damage']} {row['files']}: {row['text']}" for row in rows if row["verdict"] != "HELD"] == []
    assert len(rows) >= 12
