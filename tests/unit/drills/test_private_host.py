"""What counts for the verdict on a drill of a test."""

from __future__ import annotations

from tierhost.drills.private_host import verdict_of
from tierhost.drills.verdicts import Finding, Verdict

SEEN = [Finding(name, Verdict.HELD, "") for name in ("fired", "radius", "steady")]


def test_a_judge_with_nothing_to_judge_does_not_matter() -> None:
    assert verdict_of([*SEEN, Finding("exact_restart", Verdict.UNKNOWN, "nothing was there")]) is Verdict.HELD


def test_a_judge_who_convicts_does() -> None:
    assert verdict_of([*SEEN, Finding("exact_restart", Verdict.BROKEN, "a pool is gone")]) is Verdict.BROKEN


def test_a_judge_who_crashed_does() -> None:
    assert verdict_of([*SEEN, Finding("exact_restart", Verdict.UNKNOWN, "crashed", ("where",))]) is Verdict.UNKNOWN


def test_what_every_drill_has_must_have_been_seen() -> None:
    assert verdict_of([*SEEN[:2], Finding("steady", Verdict.UNKNOWN, "nobody looked")]) is Verdict.UNKNOWN
    assert verdict_of([]) is Verdict.UNKNOWN
