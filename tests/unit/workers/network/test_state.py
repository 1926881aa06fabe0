"""What becomes of networks and ports after a crash, for everything that can be found."""

from __future__ import annotations

import itertools

import pytest

from tierhost.workers.network.state import (
    SETTLEMENTS,
    PortAct,
    PortSettlement,
    Seen,
    Settlement,
    retry_s,
    settle_network,
    settle_port,
)
from tierhost.workers.runtime.settling import Intent


def test_there_is_an_answer_for_everything_that_can_be_found() -> None:
    for active, intent, seen in itertools.product((False, True), Intent, Seen):
        assert isinstance(settle_network(active=active, seen=seen, intent=intent), Settlement)
    assert set(SETTLEMENTS) == set(itertools.product((False, True), Intent))


@pytest.mark.parametrize("seen", Seen)
def test_a_start_that_was_not_acknowledged_is_taken_back(seen: Seen) -> None:
    assert settle_network(active=False, seen=seen, intent=Intent.START) is Settlement.UNDO_START


@pytest.mark.parametrize("seen", Seen)
@pytest.mark.parametrize("active", [False, True])
def test_a_stop_that_was_under_way_is_finished(seen: Seen, active: bool) -> None:
    assert settle_network(active=active, seen=seen, intent=Intent.STOP) is Settlement.FINISH_STOP


def test_an_active_network_stays_active_whatever_is_missing_of_it() -> None:
    for seen in (Seen.ABSENT, Seen.OURS, Seen.UNSEEN):
        assert settle_network(active=True, seen=seen, intent=Intent.NONE) is Settlement.KEEP


def test_somebody_elses_bridge_is_reported_and_never_adopted() -> None:
    assert settle_network(active=True, seen=Seen.FOREIGN, intent=Intent.NONE) is Settlement.KEEP_DEGRADED
    assert settle_network(active=False, seen=Seen.FOREIGN, intent=Intent.NONE) is Settlement.STAY_INACTIVE


def test_our_bridge_without_a_record_is_an_active_network() -> None:
    assert settle_network(active=False, seen=Seen.OURS, intent=Intent.NONE) is Settlement.ADOPT


def test_only_ports_that_were_acknowledged_and_not_given_back_stay() -> None:
    kept = [
        (recorded, act)
        for recorded, act in itertools.product((False, True), PortAct)
        if settle_port(recorded=recorded, act=act) is PortSettlement.KEEP
    ]
    assert kept == [(True, PortAct.NONE), (True, PortAct.MAKE)]


def test_the_first_try_is_at_once_and_later_ones_wait_longer_up_to_a_minute() -> None:
    assert [retry_s(attempt) for attempt in (0, 1, 2, 3, 50)] == [0.0, 1.0, 2.0, 4.0, 60.0]
