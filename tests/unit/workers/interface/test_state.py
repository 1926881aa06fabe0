"""What becomes of an interface after a crash, for every record, world and intent there can be."""

from __future__ import annotations

import pytest

from tierhost.workers.interface.state import SETTLEMENTS, Seen, Settlement, settle
from tierhost.workers.runtime.settling import Intent

ENDS_ACTIVE = {
    Settlement.STAY_ACTIVE,
    Settlement.MAKE_AGAIN,
    Settlement.STAY_ACTIVE_DEGRADED,
    Settlement.COMPLETE_START,
    Settlement.ABANDON_STOP,
}


def test_every_case_has_an_answer() -> None:
    assert SETTLEMENTS.keys() == {(active, intent) for active in (True, False) for intent in Intent}
    assert all(row.keys() == set(Seen) for row in SETTLEMENTS.values())


@pytest.mark.parametrize("seen", Seen)
def test_what_nobody_was_changing_stays_what_it_was(seen: Seen) -> None:
    assert settle(active=True, seen=seen, intent=Intent.NONE) in ENDS_ACTIVE
    assert settle(active=False, seen=seen, intent=Intent.NONE) is Settlement.STAY_INACTIVE


@pytest.mark.parametrize("seen", [Seen.ABSENT, Seen.PARTIAL, Seen.FOREIGN])
def test_a_start_that_was_not_finished_never_happened(seen: Seen) -> None:
    assert settle(active=False, seen=seen, intent=Intent.START) is Settlement.UNDO_START


@pytest.mark.parametrize("active", [True, False])
def test_a_stop_that_began_is_ended_and_one_that_did_not_never_happened(active: bool) -> None:
    assert settle(active=active, seen=Seen.WHOLE, intent=Intent.STOP) is Settlement.ABANDON_STOP
    for seen in (Seen.ABSENT, Seen.PARTIAL, Seen.FOREIGN):
        assert settle(active=active, seen=seen, intent=Intent.STOP) is Settlement.COMPLETE_STOP
