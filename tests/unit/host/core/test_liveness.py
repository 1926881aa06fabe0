"""Slow or lost: how old a beat may be, and that a late host convicts nobody."""

from __future__ import annotations

import pytest

from tierhost.host.core.events import BeatRead
from tierhost.host.core.liveness import Pulse, is_overdue
from tierhost.host.core.spec import Policy

POLICY = Policy(patience_s=5.0, patience_stopped_s=0.5)


def beat(age_s: float, *, stopped: bool = False) -> BeatRead:
    return BeatRead("storage", 1, age_s, stopped)


def steady_pulse(until_s: float) -> Pulse:
    pulse = Pulse(POLICY)
    for turn in range(int(until_s * 10) + 1):
        pulse.host_ran(turn / 10)
    return pulse


@pytest.mark.parametrize(
    ("age_s", "stopped", "overdue"),
    [(0.0, False, False), (5.0, False, False), (5.1, False, True), (0.0, True, False), (0.5, True, False), (0.6, True, True)],
)
def test_a_stopped_process_is_given_up_sooner_than_a_starved_one(age_s: float, *, stopped: bool, overdue: bool) -> None:
    assert is_overdue(age_s, POLICY, stopped=stopped) is overdue


def test_an_old_beat_convicts_when_the_host_itself_was_awake() -> None:
    pulse = steady_pulse(10.0)
    assert pulse.is_lost(beat(5.1), 10.0)
    assert pulse.is_lost(beat(0.6, stopped=True), 10.0)
    assert not pulse.is_lost(beat(4.9), 10.0)


def test_a_host_that_slept_gives_everybody_a_moment_to_beat_again() -> None:
    pulse = steady_pulse(10.0)
    pulse.host_ran(70.0)
    assert not pulse.is_lost(beat(60.0), 70.0)
    pulse.host_ran(70.1)
    assert not pulse.is_lost(beat(60.1), 70.1)
    pulse.host_ran(70.25)
    assert pulse.is_lost(beat(60.25), 70.25), "the moment is over"


def test_a_new_host_gives_everybody_a_moment_too() -> None:
    pulse = Pulse(POLICY)
    pulse.host_ran(70.0)
    assert not pulse.is_lost(beat(60.0), 70.0)
    pulse.host_ran(70.3)
    assert pulse.is_lost(beat(60.3), 70.3)


def test_a_busy_host_is_no_late_host() -> None:
    pulse = steady_pulse(10.0)
    pulse.host_ran(10.5)
    assert pulse.is_lost(beat(6.0), 10.5)
