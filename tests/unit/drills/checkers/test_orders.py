"""What a journal alone shows, beside the barrier: bodies, numbers, words of the dead."""

from __future__ import annotations

from tests.unit.drills.histories import Journal, history
from tierhost.drills.checkers.orders import judge
from tierhost.drills.verdicts import Verdict


def site() -> Journal:
    journal = Journal()
    journal.host()
    journal.up("secret", "storage")
    return journal


def test_a_crash_and_its_burial_before_the_next_life_hold() -> None:
    journal = site()
    journal.dies("storage")
    journal.comes_back("storage", 2)
    assert judge(journal.of_run()).verdict is Verdict.HELD


def test_a_life_before_the_former_was_buried_breaks_it() -> None:
    journal = site()
    journal.dies("storage", buried=False)
    journal.comes_back("storage", 2)
    finding = judge(journal.of_run())
    assert finding.verdict is Verdict.BROKEN
    assert "one body" in finding.evidence[0]


def test_a_number_that_was_used_before_breaks_it_also_by_the_next_host() -> None:
    journal = site()
    journal.host(secret=1, storage=3)
    journal.start("storage", 3)
    finding = judge(journal.of_run())
    assert finding.verdict is Verdict.BROKEN
    assert any("incarnation" in line for line in finding.evidence)


def test_a_life_that_is_ended_because_its_neighbour_died_breaks_it() -> None:
    journal = site()
    journal.dies("storage")
    journal.say("EvictWorker", driver="secret", incarnation=1, reason="its neighbour died")
    finding = judge(journal.of_run())
    assert finding.verdict is Verdict.BROKEN
    assert "isolation" in finding.evidence[0]


def test_a_life_that_is_ended_by_a_limit_we_do_not_know_is_not_judged() -> None:
    journal = site()
    journal.start("qemu")
    journal.say("TimePassed")
    journal.say("EvictWorker", driver="qemu", incarnation=1, reason="it did not answer in time")
    assert judge(journal.of_run()).verdict is Verdict.HELD


def test_without_a_journal_or_an_order_nothing_is_known() -> None:
    assert judge(history()).verdict is Verdict.UNKNOWN
    journal = Journal()
    journal.host()
    assert judge(journal.of_run()).verdict is Verdict.UNKNOWN
