"""What a plan leaves to chance grows from its seed, for each fault by itself."""

from __future__ import annotations

import pytest

from tierhost.drills.faults import BadPlan
from tierhost.drills.plan import Fault
from tierhost.drills.points import parse
from tierhost.drills.striking import settle

DRIVERS = ("qemu", "secret", "storage")
ANY = [Fault("kill", "any worker", parse(f"t+{number}s"), {"jitter_s": 0.5}) for number in range(6)]


def test_the_same_seed_chooses_the_same() -> None:
    assert settle(ANY, DRIVERS, 7) == settle(ANY, DRIVERS, 7)


def test_another_seed_chooses_otherwise() -> None:
    assert len({tuple(fault.target for fault in settle(ANY, DRIVERS, seed)) for seed in range(20)}) > 10


def test_leaving_one_fault_out_changes_nothing_for_the_others() -> None:
    whole = settle(ANY, DRIVERS, 7)
    assert settle(ANY[2:], DRIVERS, 7) == whole[2:]


def test_jitter_stays_in_its_bounds_and_what_is_named_stays_as_it_is() -> None:
    for fault in settle(ANY, DRIVERS, 3):
        assert fault.target in DRIVERS
        assert 0 <= fault.options["wait_s"] <= 0.5
    (named,) = settle([Fault("kill", "host", parse("t+1s"))], DRIVERS, 3)
    assert (named.target, named.options) == ("host", {"wait_s": 0.0})


def test_without_drivers_there_is_no_choice() -> None:
    with pytest.raises(BadPlan):
        settle(ANY, (), 1)
