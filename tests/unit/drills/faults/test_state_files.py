"""Damages as functions of bytes, and options that cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.drills.targets import NobodyThere
from tierhost.drills.faults import BadPlan, NotFired
from tierhost.drills.faults.state_files import DAMAGES, Damage

if TYPE_CHECKING:
    from pathlib import Path

DATA = bytes(range(1, 101))


@pytest.mark.parametrize("how", DAMAGES)
def test_each_damage_changes_a_file(how: str) -> None:
    assert DAMAGES[how](DATA) != DATA


def test_flipping_changes_one_bit_and_no_length() -> None:
    flipped = DAMAGES["flip"](DATA)
    assert len(flipped) == len(DATA)
    assert sum((a ^ b).bit_count() for a, b in zip(DATA, flipped, strict=True)) == 1
    assert DAMAGES["flip"](b"") == b""


@pytest.mark.parametrize(
    "options", [{}, {"files": []}, {"files": "a"}, {"files": ["a"], "how": "burn"}, {"files": ["a"], "colour": "red"}]
)
def test_options_that_cannot_be_are_refused_when_the_plan_is_made(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(BadPlan):
        Damage(NobodyThere(tmp_path), "secret", options)


def test_a_damage_without_anybody_to_damage_did_not_fire(tmp_path: Path) -> None:
    damage = Damage(NobodyThere(tmp_path), "secret", {"files": ["persistent.a.db"]})
    with pytest.raises(NotFired, match="no worker of secret"):
        damage.strike()
    damage.heal()
