"""How the matrix classes what it saw: it convicts what hangs, what is answered wrongly, and what it knows nothing of."""

from __future__ import annotations

import pytest

from tierhost.drills.matrix import Cell, Ending, Onlooking, Told, Views, ending, ending_of_change, summary, table

RIGHT = "{'state': 'active'}"


def told(answer: str = RIGHT, error: str = "", took_s: float = 0.01) -> Told:
    return Told(answer if not error else "", error, "on purpose", took_s, deadline_s=15.0)


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (told(), Ending.RIGHT),
        (told("{'state': 'inactive'}"), Ending.WRONG),
        (told(error="PeerAbsent"), Ending.REFUSED),
        (told(error="DeadlineExceeded", took_s=15.0), Ending.HANG),
        (told(took_s=16.1), Ending.HANG),
        (told(error="Busy", took_s=17.0), Ending.HANG),
    ],
)
def test_a_call_is_right_refused_hung_or_wrong(one: Told, expected: Ending) -> None:
    assert ending(one, RIGHT) is expected


BEFORE, GOAL, TORN = "nothing", "defined", "half"


@pytest.mark.parametrize(
    ("one", "after", "expected"),
    [
        (told(), GOAL, Ending.RIGHT),
        (told(), BEFORE, Ending.WRONG),
        (told(error="OutcomeUnknown"), BEFORE, Ending.REFUSED),
        (told(error="OutcomeUnknown"), GOAL, Ending.REFUSED),
        (told(error="OutcomeUnknown"), TORN, Ending.WRONG),
        (told(error="PeerDied"), BEFORE, Ending.REFUSED),
        (told(error="PeerDied"), GOAL, Ending.WRONG),
        (told(error="DeadlineExceeded", took_s=15.0), GOAL, Ending.HANG),
    ],
)
def test_a_change_is_judged_by_what_is_there_too(one: Told, after: str, expected: Ending) -> None:
    assert ending_of_change(one, RIGHT, Views(BEFORE, after, GOAL)) is expected


def cell(fault: str = "kill", *, fired: bool = True, worst: Ending = Ending.RIGHT, others: tuple[str, ...] = ()) -> Cell:
    looking = Onlooking("secret", 3, worst, 0.02, "PeerDied on purpose" if worst else "")
    return Cell("qemu", "qemu.domain_create", fault, fired, "killed", told=told(), onlookers=(looking,), others=others)


def test_who_suffered_is_named_though_it_was_not_asked_by_the_call_itself() -> None:
    assert cell().suffered == ()
    assert cell(worst=Ending.REFUSED).suffered == ("secret",)
    assert cell(others=("storage",)).suffered == ("storage",)


def test_the_bar_is_missed_by_hangs_and_wrong_answers_of_anybody_and_by_what_did_not_fire() -> None:
    assert cell().keeps_the_bar
    assert cell(worst=Ending.REFUSED).keeps_the_bar
    assert not cell(worst=Ending.HANG).keeps_the_bar
    assert not cell(worst=Ending.WRONG).keeps_the_bar
    assert not cell(fired=False).keeps_the_bar


def test_the_table_has_a_row_for_each_driver_and_fault_and_a_line_for_each_thing_that_was_not_right() -> None:
    cells = [cell(), cell("stop", worst=Ending.HANG), cell("slow", fired=False)]
    lines = table(cells, took_s=1.5)
    assert [line.split()[:2] for line in lines[2:6]] == [["qemu", "kill"], ["qemu", "stop"], ["qemu", "slow"], ["all", "3"]]
    assert "hang of secret: qemu.domain_create x stop: PeerDied on purpose" in lines
    assert "unknown: qemu.domain_create x slow: killed" in lines
    whole = summary(cells, took_s=1.5)
    assert (whole["right"], whole["hang"], whole["unknown"], whole["cells_per_second"]) == (1, 1, 1, 2.0)
