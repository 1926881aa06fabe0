"""What must survive a crash: a small mirrored store of maps, with intents and recorded replies."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgpack

from tierhost.ipc.errors import Code, DriverError
from tierhost.workers.runtime import calling
from tierhost.workers.runtime.mirror import Contents, Key, Mirror, heading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INTENTS = "intents"
CALLS = "calls"
CALLS_KEPT = 1024
ROW_BYTES_MAX = 8 << 20


class StoreFailed(DriverError):
    """Raised when nothing could be made durable: disk full, read-only, or both files failing. Nothing has changed."""

    code = Code.SYSTEM_ERROR


@dataclass(frozen=True, slots=True)
class Damage:
    """A row that both files have lost or hold broken: set aside, and shown. Without a table: the whole store."""

    table: str
    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is known of an earlier call with this id. `replied`: it is done, and this was the answer."""

    replied: bool
    value: Any


class Transaction:
    """Changes that become durable together, or not at all."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.changed: dict[Key, bytes | None] = {}

    def put(self, table: str, key: str, row: dict[str, Any]) -> None:
        """Write a row."""
        data = msgpack.packb(row)
        if len(data) > ROW_BYTES_MAX:
            reason = f"the row would have {len(data)} bytes, the limit is {ROW_BYTES_MAX}"
            raise StoreFailed(reason, code=Code.OVERFLOW, subject=f"{table} {key}")
        self.changed[(table, key)] = data

    def delete(self, table: str, key: str) -> None:
        """Remove a row, if it is there."""
        self.changed[(table, key)] = None

    def reply(self, value: Any) -> None:
        """Record the answer of the call in progress with this very change: a caller that asks again gets it."""
        call_id = calling.CALL_ID.get()
        if call_id is not None:
            self.put(CALLS, call_id.hex(), {"replied": True, "value": value})

    def settle(self, key: str, *, reply: Any = None) -> None:
        """The intent is done. After a crash its call, too, is answered with `reply`."""
        self._close(key, {"replied": True, "value": reply})

    def abandon(self, key: str) -> None:
        """The intent was undone: its call counts as never made, and may be made again."""
        self._close(key, None)

    def _close(self, key: str, answer: dict[str, Any] | None) -> None:
        intent = self._store.get(INTENTS, key)
        self.delete(INTENTS, key)
        call = (CALLS, intent["call"]) if intent and intent["call"] else None
        if call is None or self.changed.get(call) is not None:
            return
        self.changed[call] = None if answer is None else msgpack.packb(answer)


class Store:
    """One driver's rows of one lifetime. Reads come from memory; every commit goes to two files, one after the other.

    Made by the runtime before `state_initialize`. Thread-safe.
    """

    def __init__(self, folder: Path, name: str, boot_id: str | None) -> None:
        self.repaired: list[str] = []
        self._name = name
        self._boot_id = boot_id or ""
        identity = f"{folder.name}/{name}"
        self._mirrors = [Mirror(folder / f"{name}.{letter}.db", identity) for letter in "ab"]
        self._marker = folder / f"{name}.exists"
        self._lock = threading.RLock()
        self._packed: dict[Key, bytes] = {}
        self._rows: dict[str, dict[str, dict[str, Any]]] = {}
        self._damage: list[Damage] = []
        self._generation = 0

    @classmethod
    def open(cls, folder: Path, name: str, *, boot_id: str | None) -> Store:
        """Open or make a store. With a boot id it is emptied when that has changed. Raises StoreFailed."""
        store = cls(folder, name, boot_id)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            store._load()  # noqa: SLF001  # its own
        except (OSError, sqlite3.Error) as error:
            raise _failed(folder / name, error) from None
        return store

    # Reading.

    def get(self, table: str, key: str) -> dict[str, Any] | None:
        """Return a row, or None."""
        row = self._rows.get(table, {}).get(key)
        return None if row is None else dict(row)

    def all(self, table: str) -> dict[str, dict[str, Any]]:
        """Return every row of a table."""
        with self._lock:
            return {key: dict(row) for key, row in self._rows.get(table, {}).items()}

    def intents(self) -> dict[str, dict[str, Any]]:
        """Return what was under way: its facts by its key."""
        return {key: row["facts"] for key, row in self.all(INTENTS).items()}

    def damage(self) -> list[Damage]:
        """Return what could not be recovered."""
        return list(self._damage)

    def recorded(self, call_id: bytes) -> Recorded | None:
        """What is known of an earlier call with this id; None: it changed nothing here."""
        row = self.get(CALLS, call_id.hex())
        return None if row is None else Recorded(row["replied"], row["value"])

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
        call_id = calling.CALL_ID.get()
        with self.transaction() as t:
            t.put(INTENTS, key, {"facts": facts, "call": call_id.hex() if call_id else ""})

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Gather changes; on leaving the block they are durable. An exception inside drops them."""
        t = Transaction(self)
        yield t
        if t.changed:
            self._commit(t)

    def _commit(self, t: Transaction) -> None:
        call_id = calling.CALL_ID.get()
        with self._lock:
            if call_id is not None and (CALLS, call_id.hex()) not in t.changed and (CALLS, call_id.hex()) not in self._packed:
                t.put(CALLS, call_id.hex(), {"replied": False, "value": None})
            self._drop_old_calls(t)
            packed = {**self._packed}
            for key, data in t.changed.items():
                if data is None:
                    packed.pop(key, None)
                else:
                    packed[key] = data
            self._write(t.changed, packed)
            self._packed = packed
            for (table, name), data in t.changed.items():
                if data is None:
                    self._rows.get(table, {}).pop(name, None)
                else:
                    self._rows.setdefault(table, {})[name] = msgpack.unpackb(data, strict_map_key=False)

    def _drop_old_calls(self, t: Transaction) -> None:
        calls = self._rows.get(CALLS, {})
        for key in list(calls)[: max(0, len(calls) - CALLS_KEPT)]:
            t.delete(CALLS, key)

    def _write(self, changed: dict[Key, bytes | None], packed: dict[Key, bytes]) -> None:
        generation = self._generation + 1
        meta = heading(generation, self._boot_id, len(packed))
        written = 0
        trouble: Exception | None = None
        for mirror in self._mirrors:
            try:
                if mirror.is_in_place():
                    mirror.commit(changed, meta)
                else:
                    mirror.remake(generation, self._boot_id, packed)
                    self.repaired.append(f"{mirror.path.name} had vanished, and was made again")
                written += 1
            except (sqlite3.Error, OSError) as error:
                # The other file carries the change; this one has an older generation, and is made again.
                trouble = error
                mirror.close()
        if not written:
            assert trouble is not None
            raise _failed(self._mirrors[0].path, trouble)
        self._generation = generation

    # Opening.

    def _load(self) -> None:
        found = [mirror.load() for mirror in self._mirrors]
        if self._boot_id and any(contents.boot_id not in {"", self._boot_id} for contents in found):
            for mirror in self._mirrors:
                mirror.erase()
            self._marker.unlink(missing_ok=True)
            found = [Contents(trouble="is missing"), Contents(trouble="is missing")]
        best = max(found, key=lambda contents: (contents.generation, not contents.trouble))
        other = found[1] if best is found[0] else found[0]
        existed = self._marker.exists()
        if existed and best.generation == 0:
            reasons = "; ".join(f"{m.path.name} {c.trouble}" for m, c in zip(self._mirrors, found, strict=True))
            self._damage.append(Damage("", "", f"both files of the store are lost: {reasons}"))
        self._packed = dict(best.rows)
        for key, reason in best.bad.items():
            if key in other.rows:
                self._packed[key] = other.rows[key]
            elif key != ("", "meta"):
                self._damage.append(Damage(*key, reason))
        self._generation = best.generation
        for (table, name), data in self._packed.items():
            self._rows.setdefault(table, {})[name] = msgpack.unpackb(data, strict_map_key=False)
        self._mend(found, best.generation, existed=existed)

    def _mend(self, found: list[Contents], generation: int, *, existed: bool) -> None:
        for mirror, contents in zip(self._mirrors, found, strict=True):
            if contents.trouble or contents.generation != generation:
                mirror.remake(max(generation, 1), self._boot_id, self._packed)
                self._generation = max(generation, 1)
                if existed:
                    self.repaired.append(f"{mirror.path.name} {contents.trouble or 'was older than the other file'}")
        if not existed:
            os.close(os.open(self._marker, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))

    def close(self) -> None:
        """Close both files."""
        for mirror in self._mirrors:
            mirror.close()


def _failed(path: Path, error: Exception) -> StoreFailed:
    return StoreFailed(f"cannot make it durable: {error}", subject=str(path), hint="is the disk full, or read-only?")
