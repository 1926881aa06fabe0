"""Which rows are true when two files disagree: decided by pure functions, so every disagreement can be tried."""

from __future__ import annotations

import pytest

from tierhost.workers.runtime import rows as pure
from tierhost.workers.runtime.rows import Copy, Key, Row, Rows, Seal

ID = b"0123456789abcdef"
OTHER_ID = b"fedcba9876543210"
LABEL = "secret/persistent"


def written(generation: int, named: dict[str, tuple[int, bytes]], *, store_id: bytes = ID, label: str = LABEL) -> Copy:
    """Make the copy of a file that was written properly: key -> (generation, body)."""
    held: Rows = {("t", key): pure.make_row(store_id, ("t", key), made, body) for key, (made, body) in named.items()}
    seal = Seal(store_id, label, "boot", generation, len(held), pure.add(0, (row.digest for row in held.values())))
    return Copy(raw=[seal.raw(), *(pure.raw_row(key, row) for key, row in held.items())])


def bodies(rows: Rows) -> dict[str, bytes]:
    return {key: row.body for (_, key), row in rows.items()}


def truth_of(first: Copy, second: Copy, marked: bytes | None = ID) -> pure.Truth:
    copies = [first, second]
    for copy in copies:
        pure.find_seal(copy, LABEL)
    store_id = pure.choose_id(copies, marked)
    assert store_id is not None
    for copy in copies:
        pure.check(copy, store_id)
    return pure.reconcile(copies, store_id, LABEL)


def lose(copy: Copy, key: str) -> Copy:
    copy.raw = [raw for raw in copy.raw if raw[1] != key.encode()]
    return copy


def break_body(copy: Copy, key: str) -> Copy:
    copy.raw = [(*raw[:3], raw[3] + b"!", raw[4]) if raw[1] == key.encode() else raw for raw in copy.raw]
    return copy


def lose_seal(copy: Copy) -> Copy:
    return lose(copy, "")


def test_the_newer_of_two_sound_files_is_the_truth() -> None:
    truth = truth_of(written(7, {"x": (3, b"old")}), written(9, {"x": (9, b"new")}))
    assert bodies(truth.rows) == {"x": b"new"}
    assert truth.seal.generation == 9
    assert truth.lost == []


def test_a_sound_file_one_commit_behind_beats_a_broken_newer_one() -> None:
    # a transaction of two rows, one of them unreadable: to mix would tear it
    newer = break_body(written(8, {"x": (8, b"new"), "y": (8, b"new")}), "y")
    truth = truth_of(newer, written(7, {"x": (3, b"old"), "y": (3, b"old")}))
    assert bodies(truth.rows) == {"x": b"old", "y": b"old"}


def test_a_file_far_behind_only_fills_the_holes_of_a_broken_newer_one() -> None:
    newer = break_body(written(20, {"x": (20, b"new"), "y": (19, b"new")}), "y")
    truth = truth_of(newer, written(7, {"x": (3, b"old"), "y": (3, b"old")}))
    assert bodies(truth.rows) == {"x": b"new", "y": b"old"}
    assert truth.older == [("t", "y")]
    assert truth.seal.generation > 20


def test_each_row_broken_in_one_file_comes_from_the_other() -> None:
    first = break_body(written(5, {"x": (1, b"1"), "y": (2, b"2")}), "x")
    second = break_body(written(5, {"x": (1, b"1"), "y": (2, b"2")}), "y")
    truth = truth_of(first, second)
    assert bodies(truth.rows) == {"x": b"1", "y": b"2"}
    assert truth.lost == []


def test_a_row_broken_in_both_is_lost_by_name() -> None:
    first, second = (break_body(written(5, {"x": (1, b"1"), "y": (2, b"2")}), "x") for _ in range(2))
    truth = truth_of(first, second)
    assert bodies(truth.rows) == {"y": b"2"}
    assert [entry[:2] for entry in truth.lost] == [("t", "x")]


def test_a_row_that_vanished_from_both_is_missed_by_number() -> None:
    first, second = (lose(written(5, {"x": (1, b"1"), "y": (2, b"2")}), "x") for _ in range(2))
    (entry,) = truth_of(first, second).lost
    assert entry == ("", "", "1 rows are lost, their names too")


def test_a_row_that_came_back_from_an_old_page_is_noticed() -> None:
    stale = written(5, {"x": (5, b"new"), "y": (2, b"2")})
    stale.raw[1] = pure.raw_row(("t", "x"), pure.make_row(ID, ("t", "x"), 1, b"old"))
    truth = truth_of(stale, written(5, {"x": (5, b"new"), "y": (2, b"2")}))
    assert bodies(truth.rows) == {"x": b"new", "y": b"2"}
    assert stale.trouble


@pytest.mark.parametrize(
    "swapped", [written(90, {"x": (80, b"theirs")}, store_id=OTHER_ID), written(90, {}, label="qemu/persistent")]
)
def test_another_store_s_file_is_not_believed_however_new(swapped: Copy) -> None:
    truth = truth_of(swapped, written(5, {"x": (1, b"ours")}))
    assert bodies(truth.rows) == {"x": b"ours"}
    assert swapped.trouble


def test_two_files_that_agree_overrule_the_marker() -> None:
    copies = [written(5, {"x": (1, b"ours")}) for _ in range(2)]
    for copy in copies:
        pure.find_seal(copy, LABEL)
    assert pure.choose_id(copies, OTHER_ID) == ID


def test_without_seals_sound_rows_are_still_taken_and_the_doubt_is_told() -> None:
    truth = truth_of(lose_seal(written(5, {"x": (1, b"1")})), lose_seal(written(5, {"y": (1, b"2")})))
    assert bodies(truth.rows) == {"x": b"1", "y": b"2"}
    assert truth.lost[-1][:2] == ("", "")


@pytest.mark.parametrize(
    "bad", [(1, 2, 3, 4, 5), (b"t", b"x", "7", b"1", b""), (b"t", None, 1, b"1", b""), (b"t", b"x", 1, "text", None)]
)
def test_columns_of_any_type_are_broken_rows_and_no_accident(bad: pure.RawRow) -> None:
    copy = written(5, {"y": (2, b"2")})
    copy.raw.append(bad)
    truth = truth_of(copy, written(5, {"y": (2, b"2")}))
    assert bodies(truth.rows) == {"y": b"2"}
    assert not copy.intact


def test_the_difference_turns_one_set_of_rows_into_the_other() -> None:
    def row(body: bytes) -> Row:
        return Row(1, body, b"")

    held: dict[Key, Row] = {("t", "same"): row(b"1"), ("t", "changed"): row(b"1"), ("t", "gone"): row(b"1")}
    wanted: dict[Key, Row] = {("t", "same"): row(b"1"), ("t", "changed"): row(b"2"), ("t", "fresh"): row(b"3")}
    assert pure.difference(held, wanted) == {("t", "changed"): row(b"2"), ("t", "fresh"): row(b"3"), ("t", "gone"): None}
