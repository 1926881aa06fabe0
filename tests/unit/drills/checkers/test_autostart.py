"""Autostart once per boot: by the journal, and by what came back though it was stopped."""

from __future__ import annotations

from tests.unit.drills.histories import Journal, call, guest, history, look, pool, strike
from tierhost.drills.checkers.autostart import judge
from tierhost.drills.verdicts import Verdict


def site() -> Journal:
    journal = Journal()
    journal.host()
    journal.up("secret", "storage")
    return journal


def test_one_auto_start_each_whatever_dies_holds() -> None:
    journal = site()
    journal.dies("storage")
    journal.comes_back("storage", 2)
    journal.host(secret=1, storage=2)
    journal.comes_back("secret", 2)
    journal.comes_back("storage", 3)
    finding = judge(journal.of_run())
    assert finding.verdict is Verdict.HELD
    assert finding.text.startswith("2 auto-starts in 1 boots of 2 hosts")


def test_a_worker_that_auto_starts_again_after_a_crash_breaks_it() -> None:
    journal = site()
    journal.dies("storage")
    journal.start("storage", 2)
    journal.initialized("storage", 2)
    journal.order_auto_start("storage", 2)
    assert judge(journal.of_run()).verdict is Verdict.BROKEN


def test_a_next_host_that_auto_starts_again_breaks_it_unless_the_machine_was_rebooted() -> None:
    journal = site()
    journal.at_s = 2.0
    journal.host(secret=1, storage=1)
    for step in (journal.start, journal.initialized, journal.order_auto_start):
        for driver in ("secret", "storage"):
            step(driver, 2)
    for driver in ("secret", "storage"):
        journal.auto_started(driver, 2)
    finding = judge(journal.of_run())
    assert finding.verdict is Verdict.BROKEN
    assert "boot 0: storage auto-started 2 times" in finding.evidence
    assert judge(journal.of_run(strikes=(strike("reboot", "host"),))).verdict is Verdict.HELD


def test_a_guest_or_pool_that_was_stopped_and_is_started_again_breaks_it() -> None:
    before = look("before", at_s=0.5, guests={"web": guest(autostart=True)}, pools={"images": pool(autostart=True)})
    stop = call("qemu.domain_destroy", "web")
    again = look("after", at_s=9, guests={"web": guest(pid=71, autostart=True)}, pools={"images": pool(autostart=True)})
    off = look("after", at_s=9, guests={"web": guest(state="shutoff", pid=0, autostart=True)}, pools={})
    assert judge(site().of_run(calls=(stop,), looks=(before, again))).verdict is Verdict.BROKEN
    assert judge(site().of_run(calls=(stop,), looks=(before, off))).verdict is Verdict.HELD


def test_without_a_journal_or_an_auto_start_in_it_nothing_is_known() -> None:
    assert judge(history()).verdict is Verdict.UNKNOWN
    journal = Journal()
    journal.host()
    assert judge(journal.of_run()).verdict is Verdict.UNKNOWN
