"""Drills in a few words, as tests write them."""

from __future__ import annotations

import re

import pytest

from tierhost.drills.faults import BadPlan
from tierhost.drills.plan import Ask, Drill, Fault, Load, Point, Probe, Radius
from tierhost.drills.wording import drill_of, fault_of

KILL = Fault("kill", "secret", Point("time", after_s=0.1))


@pytest.mark.parametrize("word", [KILL, "kill secret at t+0.1s", {"kind": "kill", "target": "secret", "at": "t+100ms"}])
def test_a_fault_is_said_in_three_ways(word: object) -> None:
    assert fault_of(word) == KILL  # type: ignore[arg-type]  # one of the three


def test_a_role_may_have_two_words() -> None:
    assert fault_of("kill guest web at qemu, 1st call").target == "guest web"


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("kill secret", "is no fault"),
        ("kill at t+1s", "is no fault"),
        ("kill secret at noon", "is no point"),
        ("hug secret at t+1s", "no fault is called 'hug'"),
        ({"kind": "kill", "target": "secret"}, "a fault needs 'at'"),
    ],
)
def test_what_is_no_fault_is_refused(word: object, told: str) -> None:
    with pytest.raises(BadPlan, match=re.escape(told)):
        fault_of(word)  # type: ignore[arg-type]  # that is the test


def test_a_drill_of_words() -> None:
    found = drill_of(
        {
            "faults": ["kill secret at t+0.1s"],
            "load": ["secret.secret_list", {"method": "qemu.domain_list", "deadline_s": 2}],
            "per_second": 50,
            "asks": [Ask("a.b", (1,))],
            "steady": [{"method": "secret.secret_list", "tolerance": {"count": 0}}],
            "radius": {"drivers": ["secret"], "for_s": 1},
        }
    )
    assert found == Drill(
        name="in-a-test",
        title="a drill of a test",
        proves="",
        steady=(Probe("secret.secret_list", "secret.secret_list", (), {"count": 0}),),
        asks=(Ask("a.b", (1,)),),
        load=Load((Ask("secret.secret_list"), Ask("qemu.domain_list", (), 2.0)), 50.0),
        faults=(KILL,),
        radius=Radius(("secret",), (), 1.0),
    )


def test_a_word_that_no_drill_has_is_refused() -> None:
    with pytest.raises(BadPlan, match="no 'fault'"):
        drill_of({"fault": []})
