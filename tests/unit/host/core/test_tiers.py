"""The barrier as questions about a tier: a table of who lets whom pass."""

from __future__ import annotations

import pytest

from tierhost.host.core.lifecycle import Phase
from tierhost.host.core.spec import DriverSpec
from tierhost.host.core.tiers import TierView, holders, is_through, may_auto_start, state_of
from tierhost.host.core.track import Track


def at(phase: Phase, *, required: bool = True, initialized: bool = False, through: bool = False, error: str = "") -> Track:
    track = Track(DriverSpec("storage", "libvirt", required=required), auto_started=False)
    track.phase, track.last_error = phase, error
    track.past_initialize, track.past_auto_start = initialized or through, through
    return track


DONE = at(Phase.READY, through=True)


@pytest.mark.parametrize(
    ("track", "passes"),
    [
        (at(Phase.READY, through=True), True),
        (at(Phase.RELOADING, through=True), True),
        (at(Phase.SKIPPED, through=True), True),
        (at(Phase.DORMANT), False),
        (at(Phase.ADOPTING), False),
        (at(Phase.INITIALIZING), False),
        (at(Phase.INITIALIZED, initialized=True), False),
        (at(Phase.AUTOSTARTING, initialized=True), False),
        (at(Phase.QUARANTINED), False),
        (at(Phase.STOPPED), False),
        # Once through and down again: what opens now would look at a tier that is not there.
        (at(Phase.EVICTING, through=True), False),
        (at(Phase.BACKOFF, through=True), False),
        (at(Phase.INITIALIZING, through=True), False),
        # An optional one holds nobody up once it was given up, but is waited for while it tries.
        (at(Phase.QUARANTINED, required=False), True),
        (at(Phase.STOPPED, required=False), True),
        (at(Phase.BACKOFF, required=False), True),
        (at(Phase.EVICTING, required=False), True),
        (at(Phase.INITIALIZING, required=False), False),
        (at(Phase.AUTOSTARTING, required=False), False),
    ],
    ids=lambda value: f"{value.phase.name}{'' if value.spec.required else ' (optional)'}" if isinstance(value, Track) else "",
)
def test_the_next_tier_opens_when_everybody_below_is_through(track: Track, *, passes: bool) -> None:
    assert is_through([DONE, track]) is passes
    assert is_through([track, DONE]) is passes


@pytest.mark.parametrize(
    ("track", "passes"),
    [
        (at(Phase.INITIALIZED, initialized=True), True),
        (at(Phase.AUTOSTARTING, initialized=True), True),
        (at(Phase.BACKOFF, initialized=True), True),
        (at(Phase.SKIPPED, through=True), True),
        (at(Phase.DORMANT), False),
        (at(Phase.ADOPTING), False),
        (at(Phase.INITIALIZING), False),
        (at(Phase.BACKOFF), False),
        (at(Phase.QUARANTINED), False),
        (at(Phase.BACKOFF, required=False), True),
        (at(Phase.QUARANTINED, required=False), True),
        (at(Phase.INITIALIZING, required=False), False),
    ],
    ids=lambda value: f"{value.phase.name}{'' if value.spec.required else ' (optional)'}" if isinstance(value, Track) else "",
)
def test_a_tier_auto_starts_when_all_of_it_once_initialized(track: Track, *, passes: bool) -> None:
    assert may_auto_start([at(Phase.INITIALIZED, initialized=True), track]) is passes


def test_an_empty_tier_holds_nobody_up() -> None:
    assert is_through([])
    assert may_auto_start([])
    assert state_of("libvirt", [], is_open=True, below=None) == TierView("libvirt", "ready", "")


def test_who_holds_a_tier_is_required_was_never_through_and_waits_for_a_person() -> None:
    stuck = [at(Phase.QUARANTINED), at(Phase.STOPPED)]
    others = [at(Phase.BACKOFF), at(Phase.QUARANTINED, required=False), at(Phase.STOPPED, through=True)]
    assert holders(stuck + others) == stuck


def test_a_held_tier_says_who_holds_it_and_why() -> None:
    held = state_of("libvirt", [DONE, at(Phase.QUARANTINED, error="signal 11")], is_open=True, below=None)
    assert held == TierView("libvirt", "held", "storage is QUARANTINED: signal 11")
    above = state_of("hypervisor", [at(Phase.DORMANT)], is_open=False, below=held)
    assert above == TierView("hypervisor", "held", "tier libvirt is held: storage is QUARANTINED: signal 11")


def test_a_tier_waits_for_the_one_below_then_starts_then_is_ready() -> None:
    below = TierView("libvirt", "starting", "")
    assert state_of("hypervisor", [at(Phase.DORMANT)], is_open=False, below=below).state == "waiting"
    assert state_of("hypervisor", [at(Phase.INITIALIZING)], is_open=True, below=below).state == "starting"
    assert state_of("hypervisor", [DONE], is_open=True, below=below).state == "ready"
