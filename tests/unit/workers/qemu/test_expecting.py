"""Waiting for an event that a command of ours causes."""

from __future__ import annotations

import time

import pytest

from tierhost.workers.qemu.expecting import Expectations, MonitorSilent


def soon() -> float:
    return time.monotonic() + 5.0


def test_an_event_that_comes_before_anybody_waits_is_not_lost() -> None:
    expectations = Expectations()
    with expectations.expecting("a", "MIGRATION") as event:
        expectations.tell("a", "MIGRATION", {"status": "active"})
        expectations.tell("a", "MIGRATION", {"status": "completed"})
        assert [event(soon()), event(soon())] == [{"status": "active"}, {"status": "completed"}]


def test_other_events_and_other_guests_are_not_heard() -> None:
    expectations = Expectations()
    with expectations.expecting("a", "MIGRATION") as event:
        expectations.tell("a", "STOP", {})
        expectations.tell("b", "MIGRATION", {})
        with pytest.raises(MonitorSilent, match="no MIGRATION came in time"):
            event(time.monotonic())


def test_everybody_who_waits_hears_it() -> None:
    expectations = Expectations()
    with expectations.expecting("a", "STOP") as first, expectations.expecting("a", "STOP") as second:
        expectations.tell("a", "STOP", {"n": 1})
        assert first(soon()) == second(soon()) == {"n": 1}


def test_a_monitor_that_goes_away_ends_the_wait() -> None:
    expectations = Expectations()
    with expectations.expecting("a", "STOP") as event:
        expectations.tell_lost("a")
        with pytest.raises(MonitorSilent, match="went away before STOP") as silent:
            event(soon())
    assert silent.value.subject == "guest a"


def test_nobody_is_remembered_afterwards() -> None:
    expectations = Expectations()
    with expectations.expecting("a", "STOP"):
        pass
    assert expectations._waiting == {}
    expectations.tell("a", "STOP", {})
