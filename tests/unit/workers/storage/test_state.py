"""Every pool and volume that a crash can leave behind, and what becomes of it."""

from __future__ import annotations

import itertools

import pytest

from tierhost.workers.runtime.settling import Intent
from tierhost.workers.storage.state import SETTLEMENTS, Seen, Settlement, VolumeAct, VolumeSettlement, settle_pool, settle_volume

ACTIVE_AFTER = {
    Settlement.STAY_ACTIVE,
    Settlement.MOUNT_AGAIN,
    Settlement.STAY_ACTIVE_DEGRADED,
    Settlement.COMPLETE_START,
    Settlement.ABANDON_STOP,
}


def test_every_combination_has_an_answer() -> None:
    assert set(SETTLEMENTS) == set(itertools.product((False, True), Intent))
    for row in SETTLEMENTS.values():
        assert set(row) == set(Seen)


@pytest.mark.parametrize("seen", Seen)
def test_what_was_acknowledged_as_active_is_active_whatever_the_world_shows(seen: Seen) -> None:
    assert settle_pool(active=True, seen=seen, intent=Intent.NONE) in ACTIVE_AFTER


@pytest.mark.parametrize("seen", Seen)
def test_what_was_acknowledged_as_stopped_stays_stopped_whatever_the_world_shows(seen: Seen) -> None:
    assert settle_pool(active=False, seen=seen, intent=Intent.NONE) not in ACTIVE_AFTER


def test_a_directory_that_exists_does_not_make_a_pool_active() -> None:
    assert settle_pool(active=False, seen=Seen.UNSEEN, intent=Intent.NONE) is Settlement.STAY_INACTIVE


def test_a_start_is_complete_exactly_if_its_mount_is_there() -> None:
    assert settle_pool(active=False, seen=Seen.OURS, intent=Intent.START) is Settlement.COMPLETE_START
    assert settle_pool(active=False, seen=Seen.ABSENT, intent=Intent.START) is Settlement.ABANDON_START
    assert settle_pool(active=False, seen=Seen.FOREIGN, intent=Intent.START) is Settlement.ABANDON_START


def test_a_stop_is_complete_exactly_if_its_mount_is_gone() -> None:
    assert settle_pool(active=True, seen=Seen.ABSENT, intent=Intent.STOP) is Settlement.COMPLETE_STOP
    assert settle_pool(active=True, seen=Seen.OURS, intent=Intent.STOP) is Settlement.ABANDON_STOP


def test_a_stop_whose_record_was_lost_is_settled_by_its_intent() -> None:
    assert settle_pool(active=False, seen=Seen.OURS, intent=Intent.STOP) is Settlement.ABANDON_STOP
    assert settle_pool(active=False, seen=Seen.ABSENT, intent=Intent.STOP) is Settlement.COMPLETE_STOP


def test_an_active_pool_that_somebody_unmounted_is_mounted_again() -> None:
    assert settle_pool(active=True, seen=Seen.ABSENT, intent=Intent.NONE) is Settlement.MOUNT_AGAIN


@pytest.mark.parametrize(("active", "intent"), list(itertools.product((False, True), Intent)))
def test_a_foreign_mount_is_never_taken_for_ours(active: bool, intent: Intent) -> None:
    settled = settle_pool(active=active, seen=Seen.FOREIGN, intent=intent)
    assert settled not in {Settlement.STAY_ACTIVE, Settlement.COMPLETE_START, Settlement.ABANDON_STOP, Settlement.MOUNT_AGAIN}


@pytest.mark.parametrize(
    ("half_made", "there", "same", "expected"),
    [
        (False, False, False, VolumeSettlement.DISCARD),  # nothing was made yet
        (True, False, False, VolumeSettlement.DISCARD),  # made, not named
        (True, True, True, VolumeSettlement.COMPLETE),  # named, and the hidden name not removed yet
        (True, True, False, VolumeSettlement.DISCARD),  # somebody else's file has taken the name
        (False, True, False, VolumeSettlement.COMPLETE),  # named, not recorded
    ],
)
def test_a_volume_is_complete_or_absent(*, half_made: bool, there: bool, same: bool, expected: VolumeSettlement) -> None:
    assert settle_volume(VolumeAct.MAKE, half_made=half_made, there=there, as_wanted=same) is expected


@pytest.mark.parametrize(
    ("act", "there", "as_wanted", "expected"),
    [
        (VolumeAct.DELETE, True, False, VolumeSettlement.ABANDON),
        (VolumeAct.DELETE, False, False, VolumeSettlement.COMPLETE),
        (VolumeAct.RESIZE, True, True, VolumeSettlement.COMPLETE),
        (VolumeAct.RESIZE, True, False, VolumeSettlement.ABANDON),
        (VolumeAct.RESIZE, False, False, VolumeSettlement.ABANDON),
        (VolumeAct.WIPE, True, False, VolumeSettlement.ABANDON),
    ],
)
def test_a_change_is_complete_exactly_if_its_effect_is_there(
    act: VolumeAct, *, there: bool, as_wanted: bool, expected: VolumeSettlement
) -> None:
    assert settle_volume(act, half_made=False, there=there, as_wanted=as_wanted) is expected
