"""What must survive a crash: a small mirrored store of maps, with intents and recorded replies."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgpack

from tierhost.ipc.errors import Code
from tierhost.workers.runtime.calllog import CallLog, Page
from tierhost.workers.runtime.mirror import MirrorFailed
from tierhost.workers.runtime.pair import Pair
from tierhost.workers.runtime.rows import Key, Row, Seal, make_row
from tierhost.workers.runtime.tables import Tables
from tierhost.workers.runtime.transaction import CALLS, INTENTS, LOST, StoreFailed, Transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["Damage", "Recorded", "Store", "StoreFailed", "Transaction"]

ROWS_MAX: Final = 65_536
UNKNOWN_BOOT: Final = "both files have lost their seal, so nobody knows of which boot it is"


class Damage(NamedTuple):
    """A row that both files have lost or hold broken: set aside, and shown. Without a table: rows nobody can name."""

    table: str
    key: str
    reason: str

    @property
    def subject(self) -> str:
        """How it is named to people."""
        return f"{self.table} {self.key}".strip() or "state"


class Recorded(NamedTuple):
    """What is known of an earlier call with this id. `replied`: it is done, and `value` was the answer.

    Otherwise it changed something and nobody knows how it ended.
    """

    replied: bool
    value: Any


class Store:
    """One driver's rows of one lifetime. Reads come from memory; every commit goes to two files, one after the other.

    Made by the runtime before `state_initialize`; thread-safe. A commit is acknowledged when it is durable in both files,
    or in one while the other is out of use, which `troubles` shows. Readers never wait for a disk: they see the rows as of
    the last commit. The maps they get are theirs.
    """

    def __init__(self, folder: Path, name: str, boot_id: str | None) -> None:
        """Use `Store.open`."""
        self._path = folder / name
        self._boot_id = boot_id or ""
        self._pair = Pair(folder, name)
        self._lock = threading.Lock()
        self._tables = Tables({}, 0, 0)
        self._generation = 0
        self._unrecorded: list[Damage] = []
        self._log: CallLog | None = None
        self._tell: Callable[[str, str], None] = lambda _subject, _trouble: None

    @classmethod
    def open(cls, folder: Path, name: str, *, boot_id: str | None) -> Store:
        """Open the files `name.a.db` and `name.b.db`; they are made by the first commit. Raises StoreFailed.

        With a boot id the store is emptied when that is not the one it was written in.
        """
        store = cls(folder, name, boot_id)
        try:
            store._load()
        except MirrorFailed as failure:
            store.close()
            raise _failed(store._path, "cannot be opened", failure) from failure
        except StoreFailed:
            store.close()
            raise
        return store

    # Reading.

    def get(self, table: str, key: str) -> dict[str, Any] | None:
        """Return a row, or None."""
        row = self._tables.table(table).get(key)
        return None if row is None else _unpack(row)

    def all(self, table: str) -> dict[str, dict[str, Any]]:
        """Return every row of a table."""
        return {key: _unpack(row) for key, row in self._tables.table(table).items()}

    def intents(self) -> dict[str, dict[str, Any]]:
        """Return what was under way: its facts by its key."""
        return {key: row["facts"] for key, row in self.all(INTENTS).items()}

    def recorded(self, call_id: bytes) -> Recorded | None:
        """Say what is known of an earlier call with this id; None: it changed nothing here."""
        with self._lock:
            record = self._call_log().find(call_id.hex())
        return None if record is None else Recorded(*record)

    # Health.

    @property
    def repaired(self) -> list[str]:
        """What was mended from the other file, one sentence each."""
        return self._pair.repaired

    def damage(self) -> list[Damage]:
        """Return what could not be recovered. It stays on record until it is written anew, deleted or dismissed."""
        return [Damage(row["table"], row["key"], row["reason"]) for row in self.all(LOST).values()] + self._unrecorded

    def dismiss(self, damage: Damage) -> None:
        """Take damage off the record: somebody has seen it, and there is nothing to write in its place."""
        self._unrecorded = [other for other in self._unrecorded if other != damage]
        t = Transaction(self.get)
        t.changed[LOST, _lost_key(damage.table, damage.key)] = None
        self._commit(t)
        self._tell(damage.subject, "")

    def troubles(self) -> dict[str, str]:
        """Return which file is out of use, and why."""
        return self._pair.troubles()

    def watch(self, tell: Callable[[str, str], None]) -> None:
        """Have `tell(subject, trouble)` called for what is broken now, for what breaks, and, with no trouble, for what is mended.

        Called in the thread that commits. A subject is a file ("state file run.a.db"), a row ("secrets 0a81...") or "state".
        """
        self._tell = tell
        self._pair.tell = lambda name, trouble: tell(f"state file {name}", trouble)
        for name, trouble in self.troubles().items():
            tell(f"state file {name}", trouble)
        for damage in self.damage():
            tell(damage.subject, damage.reason)

    # Writing.

    def put(self, table: str, key: str, row: dict[str, Any]) -> None:
        """Write one row, durably."""
        with self.transaction() as t:
            t.put(table, key, row)

    def delete(self, table: str, key: str) -> None:
        """Remove one row, durably."""
        with self.transaction() as t:
            t.delete(table, key)

    def intend(self, key: str, facts: dict[str, Any]) -> None:
        """Say what is about to be done, durably, before it is done."""
        with self.transaction() as t:
            t.intend(key, facts)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Gather changes; on leaving the block they are durable. An exception inside drops them.

        Raises StoreFailed when they could be written to neither file; the store is then as it was before.
        """
        t = Transaction(self.get)
        yield t
        if t.changed or t.records:
            self._commit(t)

    def close(self) -> None:
        """Close both files. Reading goes on to work."""
        with self._lock:
            self._pair.close()

    def _commit(self, t: Transaction) -> None:
        with self._lock:
            pages = self._stamp(t)
            # a number is never used twice, not even after a failure: what a failing disk kept of that commit must not
            # look as new as the next one
            self._generation += 1
            changes = {key: self._row(key, body) for key, body in t.changed.items()}
            tables = self._tables.after(changes)
            if tables.count > max(ROWS_MAX, self._tables.count):
                raise StoreFailed(f"it would have more than {ROWS_MAX} rows", code=Code.OVERFLOW, subject=str(self._path))
            lost = self._tables.table(LOST)
            self._write(changes, tables)
            self._call_log().apply(pages)
        for table, key in t.changed if lost else ():
            if _lost_key(table, key) in lost:
                self._tell(Damage(table, key, "").subject, "")

    def _write(self, changes: dict[Key, Row | None], tables: Tables) -> None:
        seal = Seal(self._pair.store_id, self._pair.label, self._boot_id, self._generation, tables.count, tables.total)
        try:
            self._pair.write(changes, tables.rows, seal)
        except MirrorFailed as failure:
            raise _failed(self._path, "nothing was changed, it cannot be made durable", failure) from failure
        self._tables = tables

    def _row(self, key: Key, body: bytes | None) -> Row | None:
        return None if body is None else make_row(self._pair.store_id, key, self._generation, body)

    def _stamp(self, t: Transaction) -> dict[str, Page | None]:
        """Add what goes with every commit: the records of calls, and the end of damage that is overwritten."""
        if t.call and t.call not in t.records and self._call_log().find(t.call) is None:
            t.records[t.call] = (False, None)
        pages = self._call_log().plan(t.records) if t.records else {}
        for name, page in pages.items():
            t.changed[CALLS, name] = None if page is None else msgpack.packb(page)
        lost = self._tables.table(LOST)
        for table, key in list(t.changed) if lost else []:
            if _lost_key(table, key) in lost:
                t.changed[LOST, _lost_key(table, key)] = None
        return pages

    def _call_log(self) -> CallLog:
        if self._log is None:
            self._log = CallLog(self.all(CALLS))
        return self._log

    # Opening.

    def _load(self) -> None:
        loaded = self._pair.load()
        self._generation = loaded.generation
        if self._boot_id and loaded.generation and loaded.boot_id != self._boot_id:
            # another boot's rows
            self._generation += 1
            self._write(dict.fromkeys(loaded.rows), Tables({}, 0, 0))
            if not loaded.boot_id:
                # ... or of this one, and nobody can tell: what is missed is at least named
                names = [key for key in loaded.rows if key[0] not in {CALLS, LOST}]
                self._put_on_record([Damage(*entry) for entry in loaded.lost] + [Damage(*key, UNKNOWN_BOOT) for key in names])
            return
        self._tables = Tables.of(loaded.rows)
        if loaded.lost:
            self._put_on_record([Damage(*entry) for entry in loaded.lost])

    def _put_on_record(self, found: list[Damage]) -> None:
        t = Transaction(self.get)
        for damage in found:
            row = {"table": damage.table, "key": damage.key, "reason": damage.reason}
            t.changed[LOST, _lost_key(damage.table, damage.key)] = msgpack.packb(row)
        try:
            self._commit(t)
        except StoreFailed:  # the disk takes nothing: show it from memory, and look again at the next opening
            self._unrecorded = found


def _failed(path: Path, what: str, failure: MirrorFailed) -> StoreFailed:
    hint = "is another process using it?" if failure.busy else "is the disk full, read-only or failing?"
    code = Code.RESOURCE_BUSY if failure.busy else Code.SYSTEM_ERROR
    return StoreFailed(f"{what}: {failure.text}", code=code, subject=f"store {path}", hint=hint)


def _unpack(row: Row) -> dict[str, Any]:
    unpacked: dict[str, Any] = msgpack.unpackb(row.body, strict_map_key=False)
    return unpacked


def _lost_key(table: str, key: str) -> str:
    return f"{table}\0{key}"
