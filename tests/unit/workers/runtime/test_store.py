"""What a driver may rely on when it keeps rows, intents and answers in a store."""

from __future__ import annotations

import contextlib
import stat
import threading
from typing import TYPE_CHECKING

import pytest

from tests.unit.workers.runtime.lives import during, reopened
from tierhost.ipc.errors import Code
from tierhost.workers.runtime import store as store_module
from tierhost.workers.runtime import transaction
from tierhost.workers.runtime.calllog import CALLS_KEPT
from tierhost.workers.runtime.store import Recorded, Store, StoreFailed

if TYPE_CHECKING:
    from pathlib import Path

CALL = b"call-0123456789a"


# Rows.


def test_a_store_that_keeps_nothing_makes_no_files(folder: Path) -> None:
    Store.open(folder, "persistent", boot_id=None).close()
    assert not folder.exists()


def test_rows_are_there_in_the_next_life(store: Store, folder: Path) -> None:
    row = {"text": "ä", "blob": b"\x00\xff", "n": -3, "list": [1, None, True, 2.5], "map": {"a": {"b": 1}}}
    store.put("things", "one", row)
    store.put("things", "two", {})
    store.delete("things", "two")
    assert store.get("things", "one") == row
    with reopened(folder) as again:
        assert again.all("things") == {"one": row}
        assert again.get("things", "two") is None
        assert again.get("nothing", "at all") is None


def test_files_are_readable_by_their_owner_alone(store: Store, folder: Path) -> None:
    store.put("things", "one", {"n": 1})
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_what_a_reader_does_with_a_row_does_not_change_the_store(store: Store) -> None:
    store.put("things", "one", {"list": [1]})
    row = store.get("things", "one")
    assert row is not None
    row["list"].append(2)
    assert store.get("things", "one") == {"list": [1]}


def test_a_transaction_is_there_whole_or_not_at_all(store: Store, folder: Path) -> None:
    store.put("things", "old", {"n": 0})

    def fail() -> None:
        with store.transaction() as t:
            t.put("things", "one", {"n": 1})
            t.delete("things", "old")
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert store.all("things") == {"old": {"n": 0}}
    with store.transaction() as t:
        t.put("things", "one", {"n": 1})
        t.put("others", "two", {"n": 2})
        t.delete("things", "old")
        assert store.get("things", "one") is None, "nobody sees it before it is durable"
    with reopened(folder) as again:
        assert again.all("things") == {"one": {"n": 1}}
        assert again.all("others") == {"two": {"n": 2}}


def test_an_empty_transaction_writes_nothing(store: Store, folder: Path) -> None:
    with store.transaction():
        pass
    with during(CALL), store.transaction():
        pass
    assert not folder.exists()


def test_a_row_over_the_limit_is_refused_and_names_itself(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transaction, "ROW_BYTES_MAX", 100)
    with pytest.raises(StoreFailed) as refused:
        store.put("things", "one", {"text": "x" * 100})
    assert refused.value.code is Code.OVERFLOW
    assert refused.value.subject == "things one"


def test_more_rows_than_the_limit_are_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "ROWS_MAX", 2)
    store.put("things", "one", {})
    store.put("things", "two", {})
    with pytest.raises(StoreFailed, match="more than 2 rows"):
        store.put("things", "three", {})
    store.delete("things", "one")
    store.put("things", "three", {})
    assert set(store.all("things")) == {"two", "three"}


@pytest.mark.parametrize("table", sorted(transaction.RESERVED))
def test_the_store_s_own_tables_are_not_for_drivers(store: Store, table: str) -> None:
    with store.transaction() as t:
        with pytest.raises(ValueError, match="own"):
            t.put(table, "one", {})
        with pytest.raises(ValueError, match="own"):
            t.delete(table, "one")


def test_threads_may_commit_at_once(store: Store, folder: Path) -> None:
    def work(name: int) -> None:
        for number in range(20):
            store.put("things", f"{name} {number}", {"n": number})

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with reopened(folder) as again:
        assert len(again.all("things")) == 80


# Boots.


def test_run_rows_survive_a_crash_and_not_a_reboot(folder: Path) -> None:
    with contextlib.closing(Store.open(folder, "run", boot_id="boot 1")) as store:
        store.put("active", "web", {"pid": 1})
        store.intend("start web", {})
        with reopened(folder, "run", "boot 1") as again:
            assert again.all("active") == {"web": {"pid": 1}}
        with reopened(folder, "run", "boot 2") as rebooted:
            assert rebooted.all("active") == {}
            assert rebooted.intents() == {}
            assert rebooted.damage() == []
            assert rebooted.repaired == []
    copy = folder.parent / "next-life" / folder.name
    with contextlib.closing(Store.open(copy, "run", boot_id="boot 2")) as store:
        assert store.all("active") == {}


# Intents and answers.


def test_an_intent_is_found_by_the_next_life_until_it_is_settled(store: Store, folder: Path) -> None:
    store.intend("start web", {"pid": 7})
    with reopened(folder) as again:
        assert again.intents() == {"start web": {"pid": 7}}
        with again.transaction() as t:
            t.settle("start web")
        assert again.intents() == {}


def test_a_call_that_changed_something_is_known_to_have_acted(store: Store, folder: Path) -> None:
    with during(CALL):
        store.put("things", "one", {})
    with reopened(folder) as again:
        assert again.recorded(CALL) == Recorded(replied=False, value=None)
        assert again.recorded(b"another call") is None


def test_an_answer_is_recorded_with_the_change(store: Store, folder: Path) -> None:
    with during(CALL), store.transaction() as t:
        t.put("things", "one", {})
        t.reply({"uuid": "x"})
    with reopened(folder) as again:
        assert again.recorded(CALL) == Recorded(replied=True, value={"uuid": "x"})


def test_an_answer_stays_when_the_call_changes_something_more(store: Store) -> None:
    with during(CALL):
        with store.transaction() as t:
            t.reply("done")
        store.put("things", "one", {})
    assert store.recorded(CALL) == Recorded(replied=True, value="done")


def test_a_settled_intent_answers_the_call_that_died(store: Store, folder: Path) -> None:
    with during(CALL):
        store.intend("start web", {})
    with reopened(folder) as again:
        assert again.recorded(CALL) == Recorded(replied=False, value=None)
        with again.transaction() as t:
            t.settle("start web", reply="web")
        assert again.recorded(CALL) == Recorded(replied=True, value="web")


def test_an_abandoned_intent_leaves_no_trace_of_its_call(store: Store, folder: Path) -> None:
    with during(CALL):
        store.intend("start web", {})
    with reopened(folder) as again:
        with again.transaction() as t:
            t.abandon("start web")
        assert again.recorded(CALL) is None
        assert again.intents() == {}
    with during(CALL), store.transaction() as t:
        t.abandon("start web")
    assert store.recorded(CALL) is None


def test_a_settled_intent_leaves_the_answer_of_a_living_call_to_the_call(store: Store) -> None:
    with during(CALL):
        store.intend("start web", {})
        with store.transaction() as t:
            t.settle("start web")
        assert store.recorded(CALL) == Recorded(replied=False, value=None)
        with store.transaction() as t:
            t.reply("web")
    assert store.recorded(CALL) == Recorded(replied=True, value="web")


def test_the_latest_answers_are_kept_and_older_ones_make_room(store: Store, folder: Path) -> None:
    calls = [b"%016d" % number for number in range(CALLS_KEPT + 100)]
    for call in calls:
        with during(call), store.transaction() as t:
            t.reply(call.decode())
    with reopened(folder) as again:
        for kept in (store, again):
            assert all(kept.recorded(call) == (True, call.decode()) for call in calls[-CALLS_KEPT:])
            assert kept.recorded(calls[0]) is None
