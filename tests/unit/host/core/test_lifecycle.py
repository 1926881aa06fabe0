"""The table of a driver's life: complete, connected, and nothing beside it."""

from __future__ import annotations

import pytest

from tierhost.host.core.lifecycle import AT_REST, CALLABLE, EMBODIED, NEXT, CoreBug, Phase, check_move, mermaid


def test_every_phase_has_a_row() -> None:
    assert set(NEXT) == set(Phase)


def test_every_phase_can_be_reached_and_left() -> None:
    reached = {Phase.DORMANT}
    while True:
        further = reached.union(*(NEXT[phase] for phase in reached))
        if further == reached:
            break
        reached = further
    assert reached == set(Phase)
    assert all(NEXT.values())


def test_a_driver_has_a_body_or_is_at_rest_and_never_both() -> None:
    assert set(Phase) == EMBODIED | AT_REST
    assert not EMBODIED & AT_REST
    assert CALLABLE < EMBODIED


@pytest.mark.parametrize("phase", sorted(EMBODIED - {Phase.EVICTING}, key=str))
def test_no_body_is_left_behind_but_by_eviction(phase: Phase) -> None:
    assert not NEXT[phase] & AT_REST, "only EVICTING leads from a body to none"
    assert Phase.EVICTING in NEXT[phase], "any life may be ended"


@pytest.mark.parametrize("phase", sorted(AT_REST, key=str))
def test_every_new_life_begins_with_initialize_or_is_adopted(phase: Phase) -> None:
    assert NEXT[phase] & EMBODIED <= {Phase.INITIALIZING, Phase.ADOPTING}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Phase.DORMANT, Phase.READY),
        (Phase.READY, Phase.INITIALIZING),
        (Phase.READY, Phase.READY),
        (Phase.CLEANING_UP, Phase.READY),
        (Phase.QUARANTINED, Phase.READY),
    ],
)
def test_a_move_that_is_not_in_the_table_is_our_own_bug(before: Phase, after: Phase) -> None:
    with pytest.raises(CoreBug, match=f"{before.name} -> {after.name} is no move"):
        check_move(before, after)


def test_a_move_of_the_table_is_silent() -> None:
    for before, afters in NEXT.items():
        for after in afters:
            check_move(before, after)


def test_the_picture_shows_every_move_once() -> None:
    lines = mermaid().splitlines()
    assert lines[:2] == ["stateDiagram-v2", "    [*] --> DORMANT"]
    assert sorted(lines[2:]) == sorted(f"    {before.name} --> {after.name}" for before in NEXT for after in NEXT[before])
