"""Sizes only ever shrink."""

from __future__ import annotations

from tests.architecture.sizes import FORGIVEN, forgiven_too_much, too_long
from tests.architecture.sources import EVERYTHING, parse, sources


def function(lines: int) -> str:
    return "def long():\n" + "    x = 1\n" * (lines - 1)


def test_nothing_is_longer_than_it_may_be() -> None:
    assert too_long(sources(*EVERYTHING), FORGIVEN) == []


def test_nothing_is_forgiven_more_than_it_needs() -> None:
    assert forgiven_too_much(sources(*EVERYTHING), FORGIVEN) == []


def test_a_function_of_61_lines_is_found_and_one_of_60_is_not() -> None:
    assert too_long([parse("host/x.py", function(61))], {}) == ["host/x.py:long has 61 lines, at most 60"]
    assert too_long([parse("host/x.py", function(60))], {}) == []


def test_a_class_of_201_lines_is_found() -> None:
    text = "class Long:\n" + "    x = 1\n" * 200
    assert too_long([parse("host/x.py", text)], {}) == ["host/x.py:Long has 201 lines, at most 200"]


def test_a_file_of_301_lines_is_found() -> None:
    assert too_long([parse("host/x.py", "x = 1\n" * 301)], {}) == ["host/x.py has 301 lines, at most 300"]


def test_what_was_forgiven_may_not_grow() -> None:
    assert too_long([parse("host/x.py", function(71))], {"host/x.py:long": 70}) == ["host/x.py:long has 71 lines, at most 70"]


def test_what_has_shrunk_is_forgiven_less() -> None:
    shrunk = [parse("host/x.py", function(70))]
    assert forgiven_too_much(shrunk, {"host/x.py:long": 71}) == ["host/x.py:long has 70 lines now, so write 70 instead of 71"]
    assert forgiven_too_much(shrunk, {"host/x.py:long": 70}) == []
    assert forgiven_too_much(shrunk, {"host/x.py:gone": 90}) == ["host/x.py:gone needs no forgiveness any more"]
