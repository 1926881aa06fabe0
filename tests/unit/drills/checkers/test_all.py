"""All judges together: each is found, one that crashes knows nothing, and no evidence is never success."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.unit.drills.histories import DRILL, history
from tierhost.drills import checkers
from tierhost.drills.checkers import barrier, judge_all
from tierhost.drills.verdicts import Verdict, worst

if TYPE_CHECKING:
    import pytest

    from tierhost.drills.history import History
    from tierhost.drills.verdicts import Finding

HERE = Path(__file__).parent


def test_every_judge_is_asked_by_being_there() -> None:
    names = {path.stem for path in Path(checkers.__file__).parent.glob("*.py")} - {"__init__"}
    assert {finding.checker for finding in judge_all(history(), DRILL)} == names


def test_a_run_that_shows_nothing_holds_nothing() -> None:
    said = {finding.checker: finding.verdict for finding in judge_all(history(), DRILL)}
    assert set(said.values()) == {Verdict.UNKNOWN}


def test_a_judge_that_crashes_knows_nothing_and_the_others_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(_history: History) -> Finding:
        raise ZeroDivisionError("by nought")

    monkeypatch.setattr(barrier, "judge", crash)
    said = {finding.checker: finding for finding in judge_all(history(), DRILL)}
    assert said["barrier"].verdict is Verdict.UNKNOWN
    assert said["barrier"].text == "the judge itself crashed: ZeroDivisionError: by nought"
    assert Path(__file__).name in said["barrier"].evidence[0]
    assert len(said) > 5


def test_a_drill_may_name_its_judges_and_one_that_is_not_there_has_not_judged() -> None:
    named = replace(DRILL, options={"judges": ["barrier", "astrology"]})
    findings = judge_all(history(), named)
    assert [finding.checker for finding in findings] == ["barrier", "astrology"]
    assert findings[1].verdict is Verdict.UNKNOWN
    assert worst(findings) is Verdict.UNKNOWN


def test_every_judge_of_ours_has_been_seen_to_convict() -> None:
    tested = {path.stem.removeprefix("test_") for path in HERE.glob("test_*.py") if "Verdict.BROKEN" in path.read_text()}
    ours = {path.stem for path in Path(checkers.__file__).parent.glob("*.py")} - {"__init__", "fired", "radius", "steady"}
    assert ours <= tested
