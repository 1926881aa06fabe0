"""Points: every form is read, written and read again; what is none says what the forms are."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierhost.drills.faults import BadPlan
from tierhost.drills.plan import Point
from tierhost.drills.points import ORDINAL_MAX, PATTERN, nth, parse, text_of

FORMS = {
    "t+2s": Point("time", after_s=2.0),
    "t+250ms": Point("time", after_s=0.25),
    "t+0.5s": Point("time", after_s=0.5),
    "phase AUTOSTARTING of storage": Point("phase", "storage", phase="AUTOSTARTING"),
    "phase READY of qemu, 2nd time": Point("phase", "qemu", phase="READY", ordinal=2),
    "storage, 2nd state commit": Point("commit", "storage", ordinal=2),
    "qemu -> secret, 1st reply": Point("reply", "qemu", "secret"),
    "storage, 113th call": Point("call", "storage", ordinal=113),
}


@pytest.mark.parametrize(("text", "point"), FORMS.items())
def test_each_form_is_read_and_fits_the_pattern_for_editors(text: str, point: Point) -> None:
    assert parse(text) == point
    assert re.search(PATTERN, text)


@given(
    kind=st.sampled_from(["phase", "commit", "reply", "call"]),
    driver=st.from_regex(r"[a-z][a-z0-9-]{0,12}", fullmatch=True),
    ordinal=st.integers(1, ORDINAL_MAX),
)
def test_what_is_written_is_read_again(kind: str, driver: str, ordinal: int) -> None:
    phase, peer = ("READY" if kind == "phase" else ""), ("secret" if kind == "reply" else "")
    point = Point(kind, driver, peer, phase, ordinal)
    assert parse(text_of(point)) == point


@given(st.floats(0, 86_400).map(lambda number: round(number, 3)))
def test_a_time_is_written_to_the_millisecond(after_s: float) -> None:
    assert parse(text_of(Point("time", after_s=after_s))).after_s == pytest.approx(after_s, abs=1e-9)


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "t+", "t-1s", "t+1e3s", "t+1s ", "storage, 2th call", "storage, 0th call", "storage 1st call"),
        *("Storage, 1st call", "phase ready of storage", "qemu -> , 1st reply", "storage, 100001st call", "storage, 11st call"),
    ],
)
def test_what_is_no_point_is_refused(text: str) -> None:
    with pytest.raises(BadPlan):
        parse(text)


def test_a_refusal_shows_every_form() -> None:
    with pytest.raises(BadPlan) as refused:
        parse("when it is ready")
    assert all(word in refused.value.hint for word in ("t+2s", "phase", "commit", "reply", "call"))


def test_an_unknown_kind_is_not_written() -> None:
    with pytest.raises(BadPlan, match="no kind of point"):
        text_of(Point("moon"))


def test_ordinals_are_english() -> None:
    assert [nth(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 102, 111)] == [
        *("1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th"),
    ]
