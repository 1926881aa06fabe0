"""Who uses what: nothing is stopped, deleted or changed under anybody, and it is remembered across lives."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.runtime.store import Store
from tierhost.workers.storage import occupancy
from tierhost.workers.storage.occupancy import Holder, Occupancy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POOL = "0d4b2f9e-52a7-4a53-8a10-6a8f0c6d7e01"
DISK, OTHER = (POOL, "disk"), (POOL, "other")
WEB, DB = Holder("qemu", "guest web"), Holder("qemu", "guest db")


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Store]:
    with contextlib.closing(Store.open(tmp_path, "run", boot_id="boot-1")) as store:
        yield store


@pytest.fixture
def occupied(run: Store) -> Occupancy:
    return Occupancy(run)


def refused_for(context: contextlib.AbstractContextManager[None]) -> str:
    with pytest.raises(DriverError) as refused, context:
        pass
    assert refused.value.code is Code.RESOURCE_BUSY
    return str(refused.value)


def test_what_is_held_is_held_in_the_next_life(run: Store, occupied: Occupancy) -> None:
    occupied.hold(WEB, DISK, "volume")
    occupied.hold(WEB, OTHER, "volume")
    occupied.hold(DB, DISK, "volume")
    again = Occupancy(run)
    assert again.holders(*DISK) == ["guest db", "guest web"]
    assert again.holders(POOL) == ["guest db", "guest web"]
    assert again.count() == 2


def test_holding_and_releasing_twice_is_the_same_as_once(run: Store, occupied: Occupancy) -> None:
    occupied.hold(WEB, DISK, "volume")
    occupied.hold(WEB, DISK, "volume")
    occupied.release(WEB)
    occupied.release(WEB)
    assert (occupied.holders(POOL), Occupancy(run).count()) == ([], 0)


def test_a_held_volume_is_not_changed_and_its_pool_not_stopped(occupied: Occupancy) -> None:
    occupied.hold(WEB, DISK, "volume")
    assert "in use by guest web" in refused_for(occupied.changing(DISK, "volume"))
    assert "in use by guest web" in refused_for(occupied.stopping(POOL, "pool"))
    with occupied.changing(DISK, "volume", under_guests=True), occupied.changing(OTHER, "volume"):
        pass


def test_many_guests_are_named_a_few_at_a_time(occupied: Occupancy) -> None:
    for number in range(20):
        occupied.hold(Holder("qemu", f"guest {number:02}"), DISK, "volume")
    text = refused_for(occupied.stopping(POOL, "pool"))
    assert ("guest 07" in text, "guest 08" in text) == (True, False)


def test_one_change_keeps_everybody_else_off(occupied: Occupancy) -> None:
    with occupied.changing(DISK, "volume"):
        refused_for(occupied.changing(DISK, "volume"))
        refused_for(occupied.reading(DISK, "volume"))
        assert "volume disk" in refused_for(occupied.stopping(POOL, "pool"))
        with pytest.raises(DriverError, match="a change of it is under way"):
            occupied.hold(WEB, DISK, "volume")
    with occupied.changing(DISK, "volume"), occupied.reading(OTHER, "volume"):
        pass


def test_many_may_read_and_nobody_may_change_meanwhile(occupied: Occupancy) -> None:
    with occupied.reading(DISK, "volume"), occupied.reading(DISK, "volume"):
        assert "it is being read" in refused_for(occupied.changing(DISK, "volume"))
        refused_for(occupied.stopping(POOL, "pool"))
        occupied.hold(WEB, DISK, "volume")
    occupied.release(WEB)
    with occupied.changing(DISK, "volume"):
        pass


def test_nobody_comes_into_a_pool_that_is_being_stopped(occupied: Occupancy) -> None:
    with occupied.stopping(POOL, "pool"):
        with pytest.raises(DriverError, match="its pool is being stopped"):
            occupied.hold(WEB, DISK, "volume")
        refused_for(occupied.changing(DISK, "volume"))
        occupied.hold(WEB, ("another pool", "disk"), "volume")


def test_a_drivers_whole_word_replaces_only_its_own(run: Store, occupied: Occupancy) -> None:
    lxc = Holder("lxc", "container")
    for holder in (WEB, DB, lxc):
        occupied.hold(holder, DISK, "volume")
    occupied.replace("qemu", {"guest web": frozenset({OTHER}), "guest new": frozenset({DISK}), "guest idle": frozenset()})
    for found in (occupied, Occupancy(run)):
        assert found.holders(*DISK) == ["container", "guest new"]
        assert found.holders(*OTHER) == ["guest web"]


def test_nobody_holds_without_end(occupied: Occupancy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(occupancy, "VOLUMES_PER_HOLDER_MAX", 1)
    occupied.hold(WEB, DISK, "volume")
    with pytest.raises(DriverError, match="too many volumes"):
        occupied.hold(WEB, OTHER, "volume")


def test_a_change_that_fails_leaves_nobody_locked_out(occupied: Occupancy) -> None:
    for context in (occupied.changing(DISK, "volume"), occupied.reading(DISK, "volume"), occupied.stopping(POOL, "pool")):
        with pytest.raises(ZeroDivisionError), context:
            raise ZeroDivisionError
    with occupied.stopping(POOL, "pool"):
        pass
