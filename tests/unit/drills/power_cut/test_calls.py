"""Lines of strace, taken apart."""

from __future__ import annotations

import pytest

from tests.unit.drills.power_cut.traces import hexed
from tierhost.drills.power_cut.calls import SystemCall, Unmodelled, literal, parse, split, whole


def test_a_call_is_who_what_and_its_result() -> None:
    assert list(parse([f"12 openat(AT_FDCWD, {hexed('/d/x')}, O_RDWR|O_CREAT, 0600) = 3"])) == [
        SystemCall(12, "openat", ("AT_FDCWD", hexed("/d/x"), "O_RDWR|O_CREAT", "0600"), 3, 0, 0)
    ]


def test_calls_that_failed_or_never_came_back_did_nothing() -> None:
    assert list(parse(['1 mkdir("\\x2f", 0700) = -1 EEXIST (File exists)', "1 fsync(3) = ?", "1 fsync(3 <unfinished ...>"])) == []


def test_a_call_that_another_thread_interrupted_is_put_together() -> None:
    lines = ["1 fsync(3 <unfinished ...>", "2 close(4)   = 0", "1 <... fsync resumed>)  = 0"]
    assert [(call.name, call.began, call.ended) for call in parse(lines)] == [("close", 1, 1), ("fsync", 0, 2)]


def test_a_call_that_strace_prevented_is_known_as_such() -> None:
    assert [call.injected for call in parse(["1 fsync(3) = 0 (INJECTED)"])] == [True]


def test_exits_and_signals_are_no_calls() -> None:
    assert list(parse(["1 +++ exited with 0 +++", "1 --- SIGCHLD {si_signo=SIGCHLD} ---", "strace: Process 3 attached"])) == []


def test_structures_and_strings_are_one_argument() -> None:
    assert list(split('3, {a=1, b=[2, 3]}, "x, y", NULL')) == ["3", "{a=1, b=[2, 3]}", '"x, y"', "NULL"]


def test_a_string_that_was_cut_short_is_refused() -> None:
    call = SystemCall(1, "write", (), 3, 0, 0)
    assert literal(hexed("abc"), call) == b"abc"
    with pytest.raises(Unmodelled, match="only a part"):
        literal(hexed("abc") + "...", call)


@pytest.mark.parametrize(("text", "number"), [("0600", 0o600), ("12", 12), ("0x1f", 31), ("0", 0)])
def test_numbers_are_read_as_strace_writes_them(text: str, number: int) -> None:
    assert whole(text) == number
