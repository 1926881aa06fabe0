"""One of the two files of a store: SQLite, every row with a digest, and an honest word on whether it can be trusted."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import msgpack

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Key: TypeAlias = tuple[str, str]
META: Key = ("", "meta")
ASIDE_MAX = 3
DIGEST_BYTES = 16
BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY})
SUFFIXES = ("", "-wal", "-shm", "-journal")


@dataclass(slots=True)
class Contents:
    """What a file holds. `bad`: rows whose digest is wrong, with the reason; `trouble`: why the file as a whole is not right."""

    generation: int = 0
    boot_id: str = ""
    rows: dict[Key, bytes] = field(default_factory=dict)
    bad: dict[Key, str] = field(default_factory=dict)
    trouble: str = ""


class Mirror:
    """One SQLite file (WAL, synchronous=FULL), used by one process at a time: the host buries a life before the next."""

    def __init__(self, path: Path, identity: str) -> None:
        self.path = path
        self._identity = identity.encode()
        self._db: sqlite3.Connection | None = None
        self._inode = 0

    def load(self) -> Contents:
        """Read everything and check it. Damage never raises: it is in the answer."""
        if not self.path.exists():
            return Contents(trouble="is missing")
        try:
            self._connect()
            assert self._db is not None
            found = self._db.execute("SELECT tbl, key, data, digest FROM rows").fetchall()
        except sqlite3.DatabaseError as error:
            self.close()
            if getattr(error, "sqlite_errorcode", None) in BUSY:
                # Not damage: somebody else has it open. Touching it now could cost what is in it.
                raise
            return Contents(trouble=f"cannot be read: {error}")
        return self._check(found)

    def _check(self, found: list[Any]) -> Contents:
        contents = Contents()
        for table, key, data, digest in found:
            if not isinstance(data, bytes) or digest != self._digest((table, key), data):
                contents.bad[(table, key)] = "its digest is wrong"
            else:
                contents.rows[(table, key)] = data
        meta = contents.rows.pop(META, None)
        if meta is None:
            contents.trouble = "has lost its heading, or belongs to another store"
            return contents
        heading = msgpack.unpackb(meta)
        contents.generation, contents.boot_id = heading["generation"], heading["boot_id"]
        if heading["count"] != len(contents.rows) + len(contents.bad):
            contents.trouble = f"has {len(contents.rows) + len(contents.bad)} rows, and should have {heading['count']}"
        elif contents.bad:
            contents.trouble = f"has {len(contents.bad)} broken rows"
        return contents

    def _connect(self) -> None:
        self._db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=1.0, cached_statements=16)
        # Alone on purpose: no shared-memory file, and no lock to take for every commit.
        self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._inode = os.stat(self.path).st_ino

    def is_in_place(self) -> bool:
        """Whether the file we write is still the one that the next life will find."""
        try:
            return self._db is not None and os.stat(self.path).st_ino == self._inode
        except FileNotFoundError:
            return False

    def remake(self, generation: int, boot_id: str, rows: dict[Key, bytes]) -> None:
        """Write the whole file afresh; what stood there is moved aside as evidence, if there was anything."""
        self.close()
        self._set_aside()
        fd = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        os.close(fd)
        self._connect()
        assert self._db is not None
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute("CREATE TABLE rows (tbl TEXT, key TEXT, data BLOB, digest BLOB, PRIMARY KEY (tbl, key)) WITHOUT ROWID")
        self._write(rows.items())
        self._write([(META, heading(generation, boot_id, len(rows)))])
        self._db.execute("COMMIT")
        _sync_folder(self.path.parent)

    def commit(self, changed: dict[Key, bytes | None], meta: bytes) -> None:
        """Make one transaction durable. Raises sqlite3.Error or OSError and leaves the file as it was."""
        assert self._db is not None
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany("DELETE FROM rows WHERE tbl=? AND key=?", [key for key, data in changed.items() if data is None])
            self._write((key, data) for key, data in changed.items() if data is not None)
            self._write([(META, meta)])
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _write(self, rows: Iterable[tuple[Key, bytes]]) -> None:
        assert self._db is not None
        values = [(*key, data, self._digest(key, data)) for key, data in rows]
        self._db.executemany("INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?)", values)

    def _digest(self, key: Key, data: bytes) -> bytes:
        what = b"\0".join((self._identity, key[0].encode(), key[1].encode(), data))
        return hashlib.blake2b(what, digest_size=DIGEST_BYTES).digest()

    def _set_aside(self) -> None:
        for suffix in SUFFIXES:
            path = self.path.with_name(self.path.name + suffix)
            if not path.exists():
                continue
            if path.stat().st_size == 0:
                path.unlink()
                continue
            number = next((n for n in range(ASIDE_MAX) if not path.with_name(f"{path.name}.damaged-{n}").exists()), ASIDE_MAX - 1)
            path.replace(path.with_name(f"{path.name}.damaged-{number}"))

    def erase(self) -> None:
        """Remove the file: its boot is over."""
        self.close()
        for suffix in SUFFIXES:
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None


def heading(generation: int, boot_id: str, count: int) -> bytes:
    """What a file says of itself: how many commits it has seen, in which boot, and how many rows it has."""
    data: bytes = msgpack.packb({"generation": generation, "boot_id": boot_id, "count": count})
    return data


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
