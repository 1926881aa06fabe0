"""One of the two SQLite files of a store: read it whole, commit to it, notice damage, make it anew beside the evidence."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tierhost.workers.runtime import wal
from tierhost.workers.runtime.files import evidence_path, make_folder, sync_folder
from tierhost.workers.runtime.rows import SEAL_KEY, Changes, Copy, Key, Row, Rows, Seal, raw_row

if TYPE_CHECKING:
    from collections.abc import Iterable

BUSY_S: Final = 1.0
"""How long to wait for a lock on the file. A life before ours is dead by now, so this is for people with an sqlite3 prompt."""

CHECKPOINT_PAGES: Final = 64
"""Log pages before SQLite folds them into the file: what is in the log must be read again at each open."""

CACHE_KIB: Final = 128
"""SQLite's page cache. All rows are in our memory already."""

_TABLE: Final = (
    "CREATE TABLE rows(tbl BLOB NOT NULL, key BLOB NOT NULL, gen INTEGER NOT NULL, body BLOB NOT NULL, digest BLOB NOT NULL, "
    "PRIMARY KEY(tbl, key)) WITHOUT ROWID"
)
_READ: Final = "SELECT tbl, key, gen, body, digest FROM rows"
_PUT: Final = "INSERT OR REPLACE INTO rows VALUES(?, ?, ?, ?, ?)"
_DELETE: Final = "DELETE FROM rows WHERE tbl = ? AND key = ?"

_PLACE: Final = frozenset({"BUSY", "LOCKED", "PERM", "READONLY", "IOERR", "FULL", "CANTOPEN", "NOMEM", "NOLFS", "AUTH"})
"""SQLite's complaints about the place (disk, rights, memory), as against the content of the file."""


class MirrorFailed(Exception):
    """Raised when a file could not be read or written. `place` tells a bad disk, right or lock from bad content."""

    def __init__(self, text: str, *, place: bool, busy: bool = False) -> None:
        super().__init__(text)
        self.text = text
        self.place = place
        self.busy = busy


class Mirror:
    """One file and its write-ahead log.

    The connection is exclusive, so SQLite keeps the log's index in memory: there is no -shm file to lose, and a second
    opener is refused. `missed` holds the changes that this file still lacks; `trouble` says why, or is empty.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trouble = ""
        self.missed: dict[Key, Row | None] = {}
        self._name = str(path)
        self._wal_name = f"{path}-wal"
        self._connection: sqlite3.Connection | None = None
        self._seen: tuple[object, ...] = ()
        self._writable = False

    def sweep(self) -> None:
        """Remove what a life left that died while it made the file anew."""
        with contextlib.suppress(OSError):  # most of the time there is nothing; what cannot be removed shows when it matters
            os.unlink(f"{self._name}.new")  # noqa: PTH108  # on the way from a kill to serving
            for suffix in ("-wal", "-journal"):
                Path(f"{self._name}.new{suffix}").unlink(missing_ok=True)

    def read(self) -> Copy:
        """Open the file and read all of it. What cannot be read is said in the copy, not raised.

        Raises MirrorFailed only for what is no fault of the file: it is locked, or disk or rights forbid to read it.
        """
        try:
            if os.stat(self._name).st_size == 0:
                return Copy(trouble="is empty")
        except FileNotFoundError:
            return Copy(trouble="is missing")
        except OSError as error:
            raise _failure(self.path, error) from error
        try:
            self._open()
            logged = wal.last_generation(self._wal_name)
            return Copy(raw=self._run(_READ).fetchall(), logged=logged)
        except sqlite3.Error as error:
            failure = _failure(self.path, error)
            if not failure.place:
                return Copy(raw=self._salvage(), trouble=failure.text)
            if failure.busy or os.access(self._name, os.W_OK):
                raise failure from error
            return self._read_duplicate()
        finally:
            self._look()

    def _open(self) -> None:
        # autocommit, and any thread: the store's lock sees to it that there is one at a time
        self._connection = sqlite3.connect(self._name, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA locking_mode=EXCLUSIVE")

    def _run(self, statement: str) -> sqlite3.Cursor:
        if self._connection is None:
            raise MirrorFailed(f"{self.path}: not open", place=False)
        return self._connection.execute(statement)

    def _read_duplicate(self) -> Copy:
        """Read a file that we may not lock, because everything there is read-only: from a duplicate elsewhere."""
        import shutil  # noqa: PLC0415  # rare, and neither is worth its time in every worker
        import tempfile  # noqa: PLC0415

        self.close()
        self.trouble = "is read-only: what is in it can be read, nothing can be written"
        try:
            with tempfile.TemporaryDirectory(prefix="tierhost-") as elsewhere:
                for name in (self._name, self._wal_name):
                    with contextlib.suppress(FileNotFoundError):
                        shutil.copy(name, elsewhere)
                with contextlib.closing(sqlite3.connect(Path(elsewhere, self.path.name))) as connection:
                    return Copy(raw=connection.execute(_READ).fetchall())
        except (OSError, sqlite3.Error) as error:
            raise _failure(self.path, error) from error

    def _salvage(self) -> list[tuple[object, object, object, object, object]]:
        """Read from the front and from the back until a bad page stops each."""
        found: dict[object, tuple[object, object, object, object, object]] = {}
        for order in ("", " ORDER BY tbl DESC, key DESC"):
            with contextlib.suppress(sqlite3.Error):  # the first attempt's error is in the copy already
                for row in self._run(_READ + order):
                    found[row[0], row[1]] = row
        return list(found.values())

    def commit(self, changes: Changes, seal: Seal) -> None:
        """Write changes and the seal in one transaction, on disk on return. Raises MirrorFailed; the file is then as before."""
        puts = [raw_row(key, row) for key, row in changes.items() if row is not None]
        deletions = [(key[0].encode(), key[1].encode()) for key, row in changes.items() if row is None]
        try:
            if not self._writable:
                self._prepare_to_write()
            self._run("BEGIN IMMEDIATE")
            assert self._connection is not None  # _run would have raised
            if deletions:
                self._connection.executemany(_DELETE, deletions)
            self._connection.executemany(_PUT, [*puts, seal.raw()])
            self._run("COMMIT")
        except sqlite3.Error as error:
            if self._connection is not None:
                with contextlib.suppress(sqlite3.Error):  # SQLite may have rolled back already
                    self._connection.execute("ROLLBACK")
            raise _failure(self.path, error) from error
        finally:
            self._look()

    def _prepare_to_write(self) -> None:
        """Set what only writers need; put off to the first commit, because opening is on the way from a kill to serving."""
        self._run("PRAGMA synchronous=FULL")
        self._run(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        self._run(f"PRAGMA cache_size=-{CACHE_KIB}")
        mode = self._run("PRAGMA journal_mode=WAL").fetchone()
        if mode != ("wal",):
            raise MirrorFailed(f"{self.path}: no write-ahead log possible (journal mode {mode})", place=False)
        self._writable = True

    def disturbed(self) -> bool:
        """Whether somebody deleted, replaced or wrote to the files since we last did."""
        return self._connection is None or self._seen != self._stat()

    def _look(self) -> None:
        self._seen = self._stat()

    def _stat(self) -> tuple[object, ...]:
        seen: list[object] = []
        for name in (self._name, self._wal_name):  # os.stat: this is on the way of every commit
            try:
                found = os.stat(name)
            except OSError as error:
                seen.append(error.errno)
            else:
                seen.append((found.st_ino, found.st_size, found.st_mtime_ns))
        return tuple(seen)

    def remake(self, rows: Rows, seal: Seal) -> None:
        """Make the file anew from rows that are known, keeping what stood there as evidence. Raises MirrorFailed.

        The new file is complete and on disk before it takes the old one's name, so a kill at any line leaves one of the two.
        """
        fresh = Path(f"{self.path}.new")
        try:
            make_folder(self.path.parent)
            _build(fresh, rows, seal)
            self._set_aside()
            fresh.replace(self.path)
            # only now: SQLite folds the log into a file that still has its name, and evidence stays as it was found
            self.close()
            sync_folder(self.path.parent)
            self._open()
            self._run(_READ + " LIMIT 1").fetchall()
        except (sqlite3.Error, OSError) as error:
            self.close()
            with contextlib.suppress(OSError):  # give its space back if we can; the next attempt removes it too
                fresh.unlink(missing_ok=True)
            raise _failure(self.path, error) from error
        finally:
            self._look()
        self.missed, self.trouble = {}, ""

    def _set_aside(self) -> None:
        # the log first: were it left beside the new file, SQLite would replay it there
        for path in (Path(self._wal_name), Path(f"{self.path}-journal"), Path(f"{self.path}-shm")):
            if os.path.lexists(path):
                path.replace(evidence_path(path))
        if not os.path.lexists(self.path):
            return
        evidence = evidence_path(self.path)
        if self.path.is_dir():
            self.path.replace(evidence)
        else:
            # a second name, so that the file never lacks its own before the new one takes it over
            evidence.unlink(missing_ok=True)
            os.link(self.path, evidence)

    def close(self) -> None:
        """Fold the log into the file and let go of it. May be called again."""
        connection, self._connection, self._writable = self._connection, None, False
        if connection is not None:
            connection.close()


def _build(path: Path, rows: Rows, seal: Seal) -> None:
    for leftover in (path, Path(f"{path}-wal"), Path(f"{path}-journal")):
        leftover.unlink(missing_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # nobody reads this file before it is synced and renamed, so it needs neither journal nor waits
        for statement in ("PRAGMA journal_mode=OFF", "PRAGMA synchronous=OFF", _TABLE, "BEGIN"):
            connection.execute(statement)
        connection.executemany(_PUT, _raw(rows, seal))
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode=WAL")
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _raw(rows: Rows, seal: Seal) -> Iterable[tuple[object, ...]]:
    assert SEAL_KEY not in rows  # the seal is never an ordinary row
    yield seal.raw()
    for key, row in rows.items():
        yield raw_row(key, row)


def _failure(path: Path, error: sqlite3.Error | OSError) -> MirrorFailed:
    if isinstance(error, OSError):
        return MirrorFailed(f"{path}: {error.strerror}", place=True)
    name = getattr(error, "sqlite_errorname", "") or ""
    kind = name.removeprefix("SQLITE_").split("_", 1)[0]
    text = f"{path}: {error} ({name or type(error).__name__})"
    return MirrorFailed(text, place=kind in _PLACE, busy=kind in {"BUSY", "LOCKED"})
