"""Deferred work is done in order, not before its time, and never takes the loop down."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tierhost.workers.runtime.timers import Timers

if TYPE_CHECKING:
    import pytest


def test_what_is_due_is_taken_once_and_in_order() -> None:
    timers, done = Timers(), []
    for name in "abc":
        timers.add(0.0, lambda name=name: done.append(name))  # type: ignore[misc]
    for work in timers.due(time.monotonic()):
        work()
    assert done == ["a", "b", "c"]
    assert timers.due(time.monotonic()) == []


def test_what_is_not_due_stays() -> None:
    timers = Timers()
    timers.add(60.0, lambda: None)
    now_s = time.monotonic()
    assert timers.due(now_s) == []
    assert len(timers.due(now_s + 61.0)) == 1


def test_the_loop_waits_for_the_earliest_but_never_longer_than_its_beat() -> None:
    timers = Timers()
    assert timers.wait_s(0.1) == 0.1
    timers.add(60.0, lambda: None)
    assert timers.wait_s(0.1) == 0.1
    timers.add(0.0, lambda: None)
    assert timers.wait_s(0.1) == 0.0


def test_deferred_work_that_raises_is_told_in_the_log_and_nowhere_else(capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> None:
        message = "the back end is gone"
        raise RuntimeError(message)

    timers = Timers()
    timers.add(0.0, fails)
    for work in timers.due(time.monotonic()):
        work()
    assert "the back end is gone" in capsys.readouterr().err
