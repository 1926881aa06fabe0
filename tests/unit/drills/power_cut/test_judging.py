"""What a restart after a cut may show: each kind of wrong is convicted."""

from __future__ import annotations

import json

from tierhost.drills.power_cut.judging import FAILED, Allowed, Promises, Wrong, judge
from tierhost.drills.power_cut.operations import Operation, Said, Synced
from tierhost.drills.power_cut.subjects import TROUBLE, Rows


def rows(**found: object) -> Rows:
    return {TROUBLE: [], **found}


CHANGE = Allowed(2, "a and b change", rows(a=1, b=1), rows(a=2, b=2), (rows(), rows(a=0)))


def wrong(found: Rows) -> Wrong:
    judged = judge(found, CHANGE)
    assert judged is not None
    return judged


def test_before_and_after_the_change_under_way_are_both_right() -> None:
    assert judge(rows(a=1, b=1), CHANGE) is None
    assert judge(rows(a=2, b=2), CHANGE) is None


def test_an_acknowledged_row_that_is_gone_is_lost() -> None:
    assert wrong(rows(b=1)).lost == ("a is gone, and was acknowledged as 1",)


def test_a_row_from_an_earlier_time_is_lost() -> None:
    assert wrong(rows(a=0, b=1)).lost == ("a is 0, and was acknowledged as 1",)


def test_a_half_of_a_change_is_torn() -> None:
    assert wrong(rows(a=2, b=1)) == Wrong(torn=("a part of the change is there and a part is not",))


def test_a_row_that_never_was_is_torn() -> None:
    assert wrong(rows(a=7, b=1)).torn == ("a is 7, and was 1 or became 2",)


def test_damage_that_is_shown_is_a_loss() -> None:
    assert wrong({**rows(a=1, b=1), TROUBLE: ["things a: broken"]}).lost == ("things a: broken",)


def test_a_restart_that_fails_has_lost_everything() -> None:
    assert wrong({FAILED: "no"}).lost == ("everything: no",)


def said(word: str, number: int, **more: object) -> Said:
    return Said(json.dumps({"said": word, "number": number, "title": f"step {number}", **more}))


def test_what_may_be_found_follows_what_was_said() -> None:
    operations: list[Operation] = [
        Synced(0),
        said("done", 0, rows=rows()),
        said("begun", 1),
        said("done", 1, rows=rows(a=1)),
        said("begun", 2),
        said("done", 2, rows=rows(a=2)),
    ]
    promises = Promises.of(operations)
    expected = [(rows(), rows()), (rows(), rows()), (rows(), rows()), (rows(), rows(a=1)), (rows(a=1), rows(a=1))]
    assert [(at.old, at.new) for at in map(promises.at, range(5))] == expected
    assert promises.at(6).old == rows(a=2)
    assert promises.at(6).past == (rows(), rows(a=1))
    assert promises.at(4).title == "step 1"
