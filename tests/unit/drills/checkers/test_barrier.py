"""The barrier's judge: what it convicts, what it acquits, and what it does not know."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.drills.histories import Journal, history, strike
from tierhost.drills.checkers.barrier import judge
from tierhost.drills.history import Journaled
from tierhost.drills.verdicts import Verdict


def test_a_site_that_starts_tier_by_tier_holds_it() -> None:
    journal = Journal()
    journal.host()
    journal.up("secret", "storage")
    journal.up("qemu")
    finding = judge(journal.of_run())
    assert finding.verdict is Verdict.HELD
    assert finding.text.startswith("3 starts by 1 hosts")


def test_a_worker_that_is_started_before_the_tier_below_is_ready_breaks_it() -> None:
    journal = Journal()
    journal.host()
    for driver in ("secret", "storage"):
        journal.start(driver)
    for driver in ("secret", "storage"):
        journal.initialized(driver)
    journal.order_auto_start("storage")
    journal.up("qemu")
    finding = judge(journal.of_run())
    assert finding.verdict is Verdict.BROKEN
    assert "StartWorker(driver='qemu'" in finding.evidence[0]


def test_an_auto_start_before_the_whole_tier_has_initialized_breaks_it() -> None:
    journal = Journal()
    journal.host()
    journal.start("secret")
    journal.start("storage")
    journal.initialized("secret")
    journal.order_auto_start("secret")
    finding = judge(journal.of_run())
    assert finding.verdict is Verdict.BROKEN
    assert "have not initialized" in finding.evidence[0]


def test_a_driver_with_nothing_to_drive_holds_nobody_up() -> None:
    journal = Journal()
    journal.host()
    journal.start("secret")
    journal.say("VerbReported", driver="secret", incarnation=1, verb="state_initialize", outcome="skipped", reason="")
    journal.up("storage")
    journal.up("qemu")
    assert judge(journal.of_run()).verdict is Verdict.HELD


def test_a_second_host_that_starts_everything_at_once_breaks_it_though_the_first_did_not() -> None:
    journal = Journal()
    journal.host()
    journal.up("secret", "storage")
    journal.up("qemu")
    journal.at_s = 2.0
    journal.host(secret=1, storage=1, qemu=1)
    for driver in ("secret", "storage", "qemu"):
        journal.start(driver, 2)
    finding = judge(journal.of_run())
    assert finding.verdict is Verdict.BROKEN
    assert finding.evidence[0].startswith("+2.000 s")


def test_an_auto_start_whose_answer_died_with_its_host_counts_as_done_when_the_next_host_says_so() -> None:
    journal = Journal()
    journal.host()
    for driver in ("secret", "storage"):
        journal.start(driver)
        journal.initialized(driver)
    journal.order_auto_start("secret")
    journal.order_auto_start("storage")
    journal.host(secret=1, storage=1)
    journal.comes_back("secret", 2)
    journal.comes_back("storage", 2)
    journal.up("qemu")
    assert judge(journal.of_run()).verdict is Verdict.HELD


def test_after_a_reboot_everybody_auto_starts_again_before_the_next_tier() -> None:
    journal = Journal()
    journal.host()
    journal.up("secret", "storage")
    journal.at_s = 2.0
    journal.host()
    journal.start("secret", 2)
    journal.start("storage", 2)
    journal.initialized("secret", 2)
    journal.initialized("storage", 2)
    journal.up("qemu")
    assert judge(journal.of_run(strikes=(strike("boot-id", "host"),))).verdict is Verdict.BROKEN
    assert judge(journal.of_run()).verdict is Verdict.HELD


def test_no_journal_a_journal_with_gaps_and_one_of_strangers_are_no_evidence() -> None:
    journal = Journal()
    journal.host()
    journal.up("secret", "storage")
    whole = journal.of_run()
    lost = Journaled(whole.began_s, "JournalLost", {"lines": 3})
    for poorer in (
        history(),
        replace(whole, looks=()),
        replace(whole, journal=(*whole.journal, lost)),
        replace(whole, journal=whole.journal[1:]),
        replace(whole, journal=(*whole.journal, Journaled(whole.began_s, "Banana", {}))),
        replace(whole, journal=whole.journal[:1]),
    ):
        assert judge(poorer).verdict is Verdict.UNKNOWN
