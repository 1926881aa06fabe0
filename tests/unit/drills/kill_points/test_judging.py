"""Each judge of a death convicts what it is there for, and acquits what is right."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tierhost.drills.history import ANSWERED, FAILED, UNKNOWN
from tierhost.drills.kill_points.judging import LONGEST_S, Control, Trial, judge
from tierhost.drills.verdicts import Verdict, worst

CHANGE = Trial(
    "secret.secret_define_xml",
    "workers/secret/driver.py:1",
    control=Control("absent", "there", "uuid"),
    fired=True,
    outcome=ANSWERED,
    answer="uuid",
    before="absent",
    after="there",
    last="there",
)
QUESTION = Trial(
    "secret.secret_list",
    "workers/secret/driver.py:1",
    changes=False,
    control=Control("there", "there", "rows"),
    fired=True,
    outcome=ANSWERED,
    answer="rows",
    before="there",
    after="there",
    last="there",
)


def convicted(trial: Trial) -> list[str]:
    return [finding.checker for finding in judge(trial) if finding.verdict is Verdict.BROKEN]


@pytest.mark.parametrize(
    "right",
    [
        CHANGE,
        replace(CHANGE, outcome=UNKNOWN, kind="OutcomeUnknown"),
        replace(CHANGE, outcome=UNKNOWN, kind="OutcomeUnknown", after="absent"),
        replace(CHANGE, outcome=FAILED, kind="PeerDied", after="absent"),
        QUESTION,
    ],
)
def test_what_is_right_holds(right: Trial) -> None:
    assert worst(judge(right)) is Verdict.HELD


@pytest.mark.parametrize(
    ("wrong", "checker"),
    [
        ({"after": "absent"}, "acknowledged"),
        ({"outcome": UNKNOWN, "after": "half of it"}, "complete or absent"),
        ({"outcome": FAILED, "kind": "PeerDied"}, "complete or absent"),
        ({"outcome": FAILED, "kind": "DriverError"}, "complete or absent"),
        ({"outcome": UNKNOWN, "after": "absent", "last": "absent", "again": "DriverError: it exists"}, "again"),
        ({"lives": 2}, "isolation"),
        ({"lives": 0}, "isolation"),
        ({"others": ("qemu",)}, "isolation"),
        ({"degraded": ("secret: master key: lost",)}, "nothing degraded"),
        ({"left": ("file persistent.a.db.new",)}, "no leak"),
        ({"took_s": LONGEST_S + 1}, "bounded answer"),
    ],
)
def test_what_is_wrong_with_a_change_is_convicted(wrong: dict[str, Any], checker: str) -> None:
    assert checker in convicted(replace(CHANGE, **wrong))


@pytest.mark.parametrize("wrong", [{"answer": "other rows"}, {"outcome": FAILED, "kind": "PeerDied"}, {"after": "gone"}])
def test_what_is_wrong_with_a_question_is_convicted(wrong: dict[str, Any]) -> None:
    assert convicted(replace(QUESTION, **wrong)) == ["answer"]


@pytest.mark.parametrize("nothing", [{"fired": False}, {"trouble": "no host"}, {"before": "somebody else's"}])
def test_a_drill_that_proves_nothing_is_no_pass(nothing: dict[str, Any]) -> None:
    assert worst(judge(replace(CHANGE, **nothing))) is Verdict.UNKNOWN
