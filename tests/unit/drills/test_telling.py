"""What is printed of a run: the verdict first, every judge's word, and evidence where it did not hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.drills.one_run import drill, history, strike
from tierhost.drills.stored import Stored
from tierhost.drills.telling import lines_of, telling
from tierhost.drills.verdicts import Finding, Verdict

if TYPE_CHECKING:
    import pytest


def test_the_verdict_comes_first_and_evidence_only_where_it_did_not_hold() -> None:
    findings = (
        Finding("steady", Verdict.HELD, "2 of 2 probes hold again", ("not shown",)),
        Finding("exact_restart", Verdict.BROKEN, "1 thing is lost", ("pool images", "was active")),
    )
    assert list(lines_of(Stored(drill(), history(strikes=(strike(),)), findings))) == [
        "BROKEN  d: t",
        "  1 of 1 faults fired, 0 calls, 20.00 s, seed 1",
        "  HELD    steady         2 of 2 probes hold again",
        "  BROKEN  exact_restart  1 thing is lost",
        " " * 25 + "pool images",
        " " * 25 + "was active",
    ]


def test_nobody_who_judged_means_nobody_knows() -> None:
    assert next(iter(lines_of(Stored(drill(), history(), ())))).startswith("UNKNOWN")


def test_in_a_pipe_there_are_plain_lines_with_their_time(capsys: pytest.CaptureFixture[str]) -> None:
    with telling(quiet=False) as tell:
        tell("a word")
    with telling(quiet=True) as tell:
        tell("not heard")
    assert capsys.readouterr().out.endswith(" s  a word\n")
