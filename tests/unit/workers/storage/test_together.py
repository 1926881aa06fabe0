"""One that hangs keeps nobody else waiting."""

from __future__ import annotations

import threading
import time

from tierhost.workers.runtime import calling
from tierhost.workers.storage.together import together


def test_everything_is_done_side_by_side() -> None:
    meeting = threading.Barrier(3, timeout=10.0)
    assert together(lambda _: cast_off(meeting), [1, 2, 3], 10.0) == []


def cast_off(meeting: threading.Barrier) -> None:
    meeting.wait()


def test_what_hangs_is_named_and_the_others_are_done() -> None:
    release, done = threading.Event(), []

    def act(number: int) -> None:
        if number == 2:
            release.wait(10.0)
        done.append(number)

    begun_s = time.monotonic()
    assert together(act, [1, 2, 3], 0.1) == [2]
    assert time.monotonic() - begun_s < 5.0
    assert sorted(done) == [1, 3]
    release.set()


def test_the_callers_deadline_holds_for_all_of_them() -> None:
    seen: list[float] = []
    token = calling.DEADLINE_S.set(1234.5)
    try:
        together(lambda _: seen.append(calling.deadline_s()), [1, 2], 10.0)
    finally:
        calling.DEADLINE_S.reset(token)
    assert seen == [1234.5, 1234.5]


def test_nothing_to_do_takes_no_time() -> None:
    assert together(lambda _: None, [], 0.0) == []
