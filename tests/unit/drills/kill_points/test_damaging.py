"""The seven damages do damage, and the judges of what came of it convict."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tierhost.drills.kill_points.damaging import DAMAGES, Damaged, judge
from tierhost.drills.verdicts import Verdict, worst

if TYPE_CHECKING:
    from pathlib import Path

CONTENT = bytes(range(256)) * 4
ONE = Damaged(("state/persistent.a.db",), "deleted", both=False, before={"web": "runs"}, after={"web": "runs"})
BOTH = replace(ONE, both=True, after={}, told=("state: both files are lost",))


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_changes_this_file_and_no_other(tmp_path: Path, damage: str) -> None:
    file, old, foreign = (tmp_path / name for name in ("file", "old", "foreign"))
    file.write_bytes(CONTENT)
    old.write_bytes(CONTENT[:300])
    foreign.write_bytes(b"another store")
    DAMAGES[damage](file, old, foreign)
    assert not file.exists() or file.read_bytes() != CONTENT
    assert (old.read_bytes(), foreign.read_bytes()) == (CONTENT[:300], b"another store")


def test_there_are_seven() -> None:
    assert len(DAMAGES) == 7


@pytest.mark.parametrize("right", [ONE, BOTH, replace(BOTH, after=BOTH.before, told=())])
def test_what_is_right_holds(right: Damaged) -> None:
    assert worst(judge(right)) is Verdict.HELD


@pytest.mark.parametrize(
    ("seen", "wrong", "checker"),
    [
        (ONE, {"after": {}}, "nothing lost"),
        (ONE, {"after": {"web": "is off"}}, "nothing lost"),
        (ONE, {"after": {"web": "runs", "ghost": "runs"}}, "nothing invented"),
        (BOTH, {"told": ()}, "all told"),
        (BOTH, {"after": {"ghost": "runs"}}, "nothing invented"),
        (ONE, {"guests": (frozenset({1}), frozenset())}, "guests run on"),
        (BOTH, {"guests": (frozenset({1}), frozenset({1, 2}))}, "guests run on"),
    ],
)
def test_what_is_wrong_is_convicted(seen: Damaged, wrong: dict[str, Any], checker: str) -> None:
    assert [found.checker for found in judge(replace(seen, **wrong)) if found.verdict is Verdict.BROKEN] == [checker]


def test_a_drill_with_trouble_of_its_own_proves_nothing() -> None:
    assert worst(judge(replace(ONE, trouble="no host"))) is Verdict.UNKNOWN
