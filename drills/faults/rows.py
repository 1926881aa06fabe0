"""Damage inside a state file that stays a sound database: a row whose content is another, a row that is gone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

from tierhost.drills.faults import NotFired

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

SEAL: Final = b""
"""The table and the key of the one row that speaks for the whole file."""

_ROWS: Final = "SELECT tbl, key, body FROM rows WHERE tbl <> ? ORDER BY gen, tbl, key"
_WRITE: Final = "UPDATE rows SET body = ? WHERE tbl = ? AND key = ?"
_LOSE: Final = "DELETE FROM rows WHERE tbl = ? AND key = ?"


def flip_rows(path: Path) -> str:
    """One bit of each row's content is another; its digest is as it was."""
    with _opened(path) as file:
        rows = _rows(file, path)
        file.executemany(_WRITE, [(_flipped(body), table, key) for table, key, body in rows])
    return f"{path.name}: a bit of each of {len(rows)} rows is another"


def flip_oldest_row(path: Path) -> str:
    """One bit of the row that was written first is another."""
    with _opened(path) as file:
        table, key, body = _rows(file, path)[0]
        file.execute(_WRITE, (_flipped(body), table, key))
    return f"{path.name}: a bit of its oldest row is another"


def lose_newest_row(path: Path) -> str:
    """The row that was written last is gone, as if its page had come back from an older copy."""
    with _opened(path) as file:
        table, key, _ = _rows(file, path)[-1]
        file.execute(_LOSE, (table, key))
    return f"{path.name}: its newest row is gone"


INSIDE: Final[Mapping[str, Callable[[Path], str]]] = {
    "flip-rows": flip_rows,
    "flip-oldest-row": flip_oldest_row,
    "lose-newest-row": lose_newest_row,
}


class _opened(closing[sqlite3.Connection]):  # noqa: N801  # it reads like the function that it is
    """A file, open until what was changed is in it."""

    def __init__(self, path: Path) -> None:
        super().__init__(sqlite3.connect(path, isolation_level=None))


def _rows(file: sqlite3.Connection, path: Path) -> list[tuple[bytes, bytes, bytes]]:
    rows = file.execute(_ROWS, (SEAL,)).fetchall()
    if not rows:
        raise NotFired("it holds no row", subject=path.name)
    return rows


def _flipped(body: bytes) -> bytes:
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 0x01]) + body[middle + 1 :]
