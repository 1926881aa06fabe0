"""Which disks a power cut may leave."""

from __future__ import annotations

import random

from tests.unit.drills.power_cut.traces import disk_of
from tierhost.drills.power_cut.crashes import ALL_CHOICES_MAX, choices, crashes, torn
from tierhost.drills.power_cut.disk import Disk
from tierhost.drills.power_cut.operations import (
    ROOT,
    Made,
    Named,
    Operation,
    Renamed,
    Said,
    Sized,
    Synced,
    Unnamed,
    Written,
    without_syncs,
)

Found = dict[str, bytes | None]


def disks(*operations: Operation, begin: Disk | None = None, cut: int | None = None) -> list[Found]:
    """What can be found after a cut (the last one), each way once."""
    at = len(operations) if cut is None else cut
    found: list[Found] = []
    for crash in crashes(operations, begin or Disk(), seed=1):
        seen: Found = {entry.path: None if entry.folder else entry.content for entry in crash.disk.walk()}
        if crash.cut == at and seen not in found:
            found.append(seen)
    return found


NEW = (Made(1, folder=False, mode=0o600), Named(ROOT, "x", 1))


def old(content: bytes = b"old") -> Disk:
    disk = Disk()
    disk.make(Made(9, folder=False, mode=0o600))
    disk.apply(Named(ROOT, "x", 9))
    disk.apply(Written(9, 0, content))
    return disk


def test_what_was_there_before_stays() -> None:
    assert disks(begin=old()) == [{"x": b"old"}]


def test_a_name_is_kept_or_not_until_its_folder_is_synced() -> None:
    assert disks(*NEW) == [{}, {"x": b""}]
    assert disks(*NEW, Synced(ROOT)) == [{"x": b""}]


def test_the_sync_of_a_file_keeps_its_content_and_not_its_name() -> None:
    assert disks(*NEW, Written(1, 0, b"a"), Synced(1)) == [{}, {"x": b"a"}]


def test_the_sync_of_a_folder_keeps_names_and_no_content() -> None:
    assert disks(*NEW, Written(1, 0, b"a"), Synced(ROOT)) == [{"x": b""}, {"x": b"a"}]


def test_a_file_in_a_folder_without_a_durable_name_may_be_gone_with_it() -> None:
    made = (Made(1, folder=True, mode=0o700), Named(ROOT, "in", 1), Made(2, folder=False, mode=0o600), Named(1, "x", 2))
    assert disks(*made, Synced(2), Synced(1)) == [{}, {"in": None, "in/x": b""}]
    assert disks(*made, Synced(2), Synced(1), Synced(ROOT)) == [{"in": None, "in/x": b""}]


def test_a_rename_is_whole_and_may_come_before_the_content_it_was_made_for() -> None:
    written = (Made(1, folder=False, mode=0o600), Named(ROOT, "x.new", 1), Written(1, 0, b"new"), Renamed(ROOT, "x.new", "x", 1))
    found = disks(*written, begin=old())
    assert {"x": b""} in found, "the classic: renamed before it was synced"
    assert {"x": b"old"} in found
    assert {"x": b"new"} in found
    assert all("x" in one for one in found), "one of them always has the name"


def test_a_removal_may_be_forgotten() -> None:
    assert disks(Unnamed(ROOT, "x"), begin=old()) == [{"x": b"old"}, {}]
    assert disks(Unnamed(ROOT, "x"), Synced(ROOT), begin=old()) == [{}]


def test_unsynced_writes_are_kept_in_any_choice_and_order() -> None:
    found = disks(Written(9, 0, b"A"), Written(9, 2, b"C"), begin=old(b"abc"))
    assert sorted(str(one["x"]) for one in found) == ["b'AbC'", "b'Abc'", "b'abC'", "b'abc'"]


def test_a_later_write_without_the_earlier_one_leaves_a_hole() -> None:
    found = disks(Written(9, 0, b"A"), Written(9, 2, b"C"), begin=old(b""))
    assert {"x": b"\0\0C"} in found


def test_a_file_is_cut_or_not_until_it_is_synced() -> None:
    assert disks(Sized(9, 1), begin=old()) == [{"x": b"old"}, {"x": b"o"}]
    assert disks(Sized(9, 1), Synced(9), begin=old()) == [{"x": b"o"}]


def test_the_last_write_is_torn_at_sectors_and_nowhere_else() -> None:
    write = Written(9, 500, bytes(100 * [7]) + bytes(600 * [8]))
    pieces = [piece for _, changes in torn(write) for piece in changes if isinstance(piece, Written)]
    assert {(piece.offset, len(piece.data)) for piece in pieces} == {(500, 12), (512, 688), (500, 524), (1024, 176)}
    assert list(torn(Written(9, 0, bytes(512)))) == [], "a sector is written whole or not at all"


def test_a_write_that_is_no_longer_the_last_is_not_torn_any_more() -> None:
    write = Written(9, 0, b"a" * 1024)
    assert {"x": b"a" * 512} in disks(write, begin=old(b""))
    assert {"x": b"a" * 512} not in disks(write, Said("{}"), begin=old(b""))


def test_every_prefix_is_cut_and_a_sample_keeps_what_was_said() -> None:
    operations: list[Operation] = [*NEW, Written(1, 0, b"a"), Said("{}"), Synced(1)]
    assert sorted({crash.cut for crash in crashes(operations, Disk())}) == [0, 1, 2, 3, 4, 5]
    assert sorted({crash.cut for crash in crashes(operations, Disk(), every=5)}) == [0, 4, 5]


def test_few_changes_are_chosen_from_in_every_way_and_many_at_the_corners() -> None:
    assert len(choices(ALL_CHOICES_MAX, random.Random(1))) == 2**ALL_CHOICES_MAX
    many = choices(20, random.Random(1))
    assert {(), tuple(range(20))} <= set(many)
    assert all((one,) in many and tuple(other for other in range(20) if other != one) in many for one in range(20))
    assert choices(20, random.Random(7)) == choices(20, random.Random(7)), "a seed repeats its choices"


def test_a_recording_without_its_syncs_is_the_same_but_for_them() -> None:
    operations: list[Operation] = [*NEW, Synced(1), Synced(ROOT)]
    assert without_syncs(operations) == list(NEW)
    assert without_syncs(operations, frozenset({ROOT})) == [*NEW, Synced(1)]
    assert disk_of(operations) == disk_of(without_syncs(operations))
