"""Two where one may be: the judge sees it at one look, and over several."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.drills.histories import UUID, history, look
from tierhost.drills.checkers.double_runs import judge
from tierhost.drills.verdicts import Verdict


def bodies(*pids: int, uuid: str = UUID) -> dict[str, Any]:
    return {"guests": [{"uuid": uuid, "pid": pid} for pid in pids]}


def test_one_process_for_each_guest_holds() -> None:
    other = {"uuid": "another", "pid": 71}
    world = {
        "guests": [{"uuid": UUID, "pid": 70}, other],
        "processes": [{"pid": 5, "role": "qemu"}, {"pid": 6, "role": "spares"}],
    }
    assert judge(history(looks=(look("before", at_s=0, world=world), look("after", at_s=9, world=world)))).verdict is Verdict.HELD


def test_two_processes_of_one_guest_break_it() -> None:
    finding = judge(history(looks=(look("after", at_s=9, world=bodies(70, 71)),)))
    assert finding.verdict is Verdict.BROKEN
    assert finding.evidence == (f"+9.000 s (after): guest {UUID} is processes 70, 71",)


def test_lives_that_overlap_break_it_although_no_look_shows_both() -> None:
    looks = [look("during", at_s=at_s, world=bodies(pid)) for at_s, pid in ((1, 70), (2, 71), (3, 70))]
    finding = judge(history(looks=tuple(looks)))
    assert finding.verdict is Verdict.BROKEN
    assert "process 71 ran before process 70 had ended" in finding.evidence[0]


def test_a_guest_that_was_started_again_is_two_lives_one_after_the_other() -> None:
    looks = [look("during", at_s=at_s, world=bodies(pid)) for at_s, pid in ((1, 70), (2, 70), (3, 71))]
    assert judge(history(looks=tuple(looks))).verdict is Verdict.HELD


@pytest.mark.parametrize(("role", "verdict"), [("storage", Verdict.BROKEN), ("host", Verdict.BROKEN), ("spares", Verdict.HELD)])
def test_a_driver_has_one_worker_and_a_site_one_host_but_many_spares(role: str, verdict: Verdict) -> None:
    world = {"guests": [], "processes": [{"pid": 5, "role": role}, {"pid": 6, "role": role}]}
    assert judge(history(looks=(look("after", at_s=9, world=world),))).verdict is verdict


def test_without_a_look_at_guests_nothing_is_known() -> None:
    assert judge(history()).verdict is Verdict.UNKNOWN
    assert judge(history(looks=(look("after", at_s=9),))).verdict is Verdict.UNKNOWN
    assert judge(history(looks=(look("after", at_s=9, world={"processes": []}),))).verdict is Verdict.UNKNOWN
