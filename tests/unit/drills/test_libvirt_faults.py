"""Each judge of the comparison convicts what it is there for, on looks made up by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tierhost.drills.commands.compare import lines_of, value_of
from tierhost.drills.faults import BadPlan
from tierhost.drills.history import Look
from tierhost.drills.libvirt_faults import table
from tierhost.drills.libvirt_faults.guests import is_ghost, processes
from tierhost.drills.libvirt_faults.seen import Seen, together
from tierhost.drills.verdicts import Verdict

UUID = "5f1c0f9e-6f4e-4a63-9a1c-2f6d1d2f0a01"


def _look(state: str | None, pids: list[int]) -> Look:
    rows: dict[str, Any] = {} if state is None else {"web": {"uuid": UUID, "state": state}}
    return Look(0.0, "after", {"guests": rows}, {"guests": [{"uuid": UUID, "name": "web", "pid": pid} for pid in pids]})


@pytest.mark.parametrize("state", ["running", "paused"])
def test_a_guest_listed_as_one_that_runs_without_a_process_is_a_ghost(state: str) -> None:
    assert is_ghost(_look(state, []), UUID)


@pytest.mark.parametrize(("state", "pids"), [("running", [7]), ("shutoff", []), (None, []), ("paused", [7, 8])])
def test_a_guest_with_a_process_or_none_that_is_said_to_run_is_no_ghost(state: str | None, pids: list[int]) -> None:
    assert not is_ghost(_look(state, pids), UUID)


def test_two_processes_of_one_uuid_are_counted() -> None:
    assert processes(_look("running", [7, 8]), UUID) == 2
    assert processes(_look("running", [7, 8]), "another") == 0


@pytest.mark.parametrize(
    ("wronged", "count", "verdict"), [(1, 10, Verdict.BROKEN), (0, 10, Verdict.HELD), (0, 0, Verdict.UNKNOWN)]
)
def test_one_that_was_wronged_convicts_and_nothing_seen_is_unknown(wronged: int, count: int, verdict: Verdict) -> None:
    assert Seen("fault", "side", wronged, count, "guests").verdict is verdict


def test_what_was_seen_adds_up() -> None:
    sum_of = together([Seen("fault", "side", 1, 2, "guests", ("a",)), Seen("fault", "side", 0, 3, "guests", ("b",))])
    assert (sum_of.wronged, sum_of.count, sum_of.evidence) == (1, 5, ("a", "b"))


def test_the_table_shows_both_sides_and_json_the_same() -> None:
    found = {"double-run": {"libvirtd": Seen("f", "libvirt", 2, 2, "guests"), "tierhost": Seen("f", "ours", 0, 2, "guests")}}
    line = lines_of(found, evidence=False)[-1]
    assert "BROKEN   2 of 2 guests" in line
    assert "HELD     0 of 2 guests" in line
    assert value_of(found)["summary"] == {"double-run": {"libvirtd": "2 of 2", "tierhost": "0 of 2"}}


def test_an_unknown_fault_is_told_with_those_there_are() -> None:
    with pytest.raises(BadPlan, match="no such fault: ghosts"):
        table.compare(["ghosts"], 1, lambda _line: None)
