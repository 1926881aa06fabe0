"""One driver's record: moves, deadlines, and what is shown of it."""

from __future__ import annotations

import pytest

from tierhost.host.core.lifecycle import EMBODIED, CoreBug, Phase
from tierhost.host.core.spec import DriverSpec
from tierhost.host.core.track import DriverView, Track, view


def track() -> Track:
    return Track(DriverSpec("storage", "libvirt"), auto_started=False)


def test_a_move_sets_the_clock_the_reason_and_the_deadline() -> None:
    one = track()
    one.move(Phase.INITIALIZING, 10.0, "asked", limit_s=3.0)
    assert (one.phase, one.since_s, one.reason, one.deadline_s) == (Phase.INITIALIZING, 10.0, "asked", 13.0)


def test_a_move_without_a_limit_takes_the_former_deadline_away() -> None:
    one = track()
    one.move(Phase.INITIALIZING, 10.0, limit_s=3.0)
    one.move(Phase.INITIALIZED, 11.0)
    assert one.deadline_s is None


def test_a_move_that_cannot_be_changes_nothing() -> None:
    one = track()
    one.move(Phase.INITIALIZING, 10.0, "asked", limit_s=3.0)
    with pytest.raises(CoreBug):
        one.move(Phase.STOPPED, 20.0, "nonsense", limit_s=9.0)
    assert (one.phase, one.since_s, one.reason, one.deadline_s) == (Phase.INITIALIZING, 10.0, "asked", 13.0)
    assert len(one.story.lines()) == 1


def test_every_move_is_told_with_the_life_it_belongs_to() -> None:
    one = track()
    one.incarnation = 3
    one.move(Phase.INITIALIZING, 10.0)
    one.move(Phase.EVICTING, 10.5, "signal 9")
    assert one.story.lines() == ("10.000 life 3: INITIALIZING", "10.500 life 3: EVICTING (signal 9)")


@pytest.mark.parametrize("phase", list(Phase))
def test_a_track_has_a_body_in_the_embodied_phases(phase: Phase) -> None:
    one = track()
    one.phase = phase
    assert one.has_body is (phase in EMBODIED)


def test_status_shows_a_copy_that_later_moves_do_not_change() -> None:
    one = track()
    shown = view(one)
    one.move(Phase.INITIALIZING, 10.0)
    assert shown == DriverView("storage", "libvirt", "DORMANT", "", 0, 0, 0.0, "", required=True)
    assert view(one).phase == "INITIALIZING"
