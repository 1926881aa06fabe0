"""What one row of a store is, how its digest is made, and which rows are true when the two mirrors disagree. Pure."""

from __future__ import annotations

from _blake2 import blake2b  # hashlib would load all of OpenSSL for it
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

import msgpack

DIGEST_BYTES: Final = 16
ID_BYTES: Final = 16

Key: TypeAlias = tuple[str, str]
"""Table and key."""

RawRow: TypeAlias = tuple[Any, Any, Any, Any, Any]
"""Table, key, generation, body, digest: as read from a file, so of any type at all."""

SEAL_KEY: Final[Key] = ("", "")
"""Where the seal stands among the rows of a file."""


class Row(NamedTuple):
    """One row: the generation that wrote it, its packed map, and the digest over both, its key and the store's id."""

    generation: int
    body: bytes
    digest: bytes


Rows: TypeAlias = dict[Key, Row]
Changes: TypeAlias = Mapping[Key, Row | None]
"""What a commit does to each key: a new row, or None for a deletion."""


@dataclass(frozen=True, slots=True)
class Seal:
    """The one row that speaks for the whole file: whose it is, how new, and what all its rows add up to.

    `total` is the exclusive or of all digests, so a row that was lost, or that came back from an older copy of its page,
    is noticed although each remaining row is sound.
    """

    store_id: bytes
    label: str
    boot_id: str
    generation: int
    count: int
    total: int

    def raw(self) -> RawRow:
        """Return the seal as it is written to a file."""
        body = msgpack.packb(
            [self.store_id, self.label, self.boot_id, self.generation, self.count, self.total.to_bytes(DIGEST_BYTES, "big")]
        )
        return (*_raw_key(SEAL_KEY), self.generation, body, blake2b(body, digest_size=DIGEST_BYTES).digest())


@dataclass(slots=True)
class Copy:
    """What could be read of one mirror file. `trouble` says what is wrong with the file as a whole, or is empty.

    `logged` is the generation of the last commit that stands in its log, whether SQLite could follow it so far or not.
    """

    raw: list[RawRow] = field(default_factory=list)
    trouble: str = ""
    logged: int = 0
    seal: Seal | None = None
    rows: Rows = field(default_factory=dict)
    broken: dict[Key, str] = field(default_factory=dict)

    @property
    def intact(self) -> bool:
        """Every row that should be there is, and nothing else."""
        return self.seal is not None and not self.trouble and not self.broken

    @property
    def generation(self) -> int:
        """How new it is, even when its seal is lost."""
        held = self.seal.generation if self.seal else max((row.generation for row in self.rows.values()), default=0)
        return max(held, self.logged)


@dataclass(frozen=True, slots=True)
class Truth:
    """The rows that hold, and what could not be saved (table, key, reason)."""

    seal: Seal
    rows: Rows
    lost: list[tuple[str, str, str]] = field(default_factory=list)
    older: list[Key] = field(default_factory=list)


def make_row(store_id: bytes, key: Key, generation: int, body: bytes) -> Row:
    """Make a row with its digest."""
    return Row(generation, body, _digest(store_id, *_raw_key(key), generation, body))


def raw_row(key: Key, row: Row) -> RawRow:
    """Return a row as it is written to a file."""
    return (*_raw_key(key), *row)


def add(total: int, digests: Iterable[bytes]) -> int:
    """Add digests to a total, or take them out again: both are the same exclusive or."""
    for digest in digests:
        total ^= int.from_bytes(digest, "big")
    return total


def find_seal(copy: Copy, label: str) -> None:
    """Look for the file's seal. A seal that is broken, or another store's, makes the whole file untrustworthy."""
    for table, key, _, body, digest in copy.raw:
        if (table, key) == (b"", b"") and type(body) is bytes and digest == blake2b(body, digest_size=DIGEST_BYTES).digest():
            store_id, named, boot_id, generation, count, total = msgpack.unpackb(body)
            if named != label:
                copy.trouble, copy.raw = f"belongs to the store {named}", []
                return
            copy.seal = Seal(store_id, named, boot_id, generation, count, int.from_bytes(total, "big"))
            return
    copy.trouble = copy.trouble or "its seal is missing or broken"


def follow_log(copy: Copy, generation: int, broken: int) -> None:
    """Compare a file with the last commit of its own log; `broken` stands for a log that says nothing at all."""
    held = copy.seal.generation if copy.seal else 0
    if generation <= held:
        return
    # Nobody knows how much was in it: at least one commit, for it has a header.
    copy.logged = held + 1 if generation == broken else generation
    copy.trouble = copy.trouble or f"its log is broken, before commit {copy.logged}"


def check(copy: Copy, store_id: bytes) -> None:
    """Check every row against the store's id, then all of them against the seal."""
    if copy.seal is not None and copy.seal.store_id != store_id:
        copy.trouble, copy.seal, copy.raw = "is from another store of the same name", None, []
    for raw in copy.raw:
        table, key, generation, body, digest = raw
        if (table, key) == (b"", b""):
            continue
        name = _text_key(table, key)
        if type(generation) is not int or type(body) is not bytes or name is None:
            copy.broken[name or (repr(table), repr(key))] = "the row's columns are not what was written"
        elif digest != _digest(store_id, table, key, generation, body):
            copy.broken[name] = "the row's digest does not fit its content"
        else:
            copy.rows[name] = Row(generation, body, digest)
    if copy.intact and not _adds_up(copy):
        copy.trouble = f"holds {len(copy.rows)} rows that are not those it was sealed with"


def _adds_up(copy: Copy) -> bool:
    held = len(copy.rows), add(0, (row.digest for row in copy.rows.values()))
    return copy.seal is not None and held == (copy.seal.count, copy.seal.total)


def choose_id(copies: Sequence[Copy], marked: bytes | None) -> bytes | None:
    """Say which store this is: what two of the three witnesses (two files and the marker) agree on, else the newest file."""
    seals = sorted((copy.seal for copy in copies if copy.seal), key=lambda seal: -seal.generation)
    ids = [seal.store_id for seal in seals]
    if len(ids) == len(copies) and len(set(ids)) == 1:
        return ids[0]
    if marked is not None:
        return marked
    return ids[0] if ids else None


def reconcile(copies: Sequence[Copy], store_id: bytes, label: str) -> Truth:
    """Find the truth in what is left of the mirrors, after `check`.

    An intact file that is at most one generation behind is the truth: the commit it lacks was never acknowledged, or it
    would have it too. Otherwise rows are taken one by one, the newest sound one of each, and what is sound nowhere is lost.
    """
    newest = max(copy.generation for copy in copies)
    intact = [copy for copy in copies if copy.intact and copy.generation >= newest - 1]
    if intact:
        best = max(intact, key=lambda copy: copy.generation)
        assert best.seal is not None  # `intact` says so; for the type checker
        return Truth(best.seal, dict(best.rows))
    return _piece_together(copies, store_id, label, newest)


def _piece_together(copies: Sequence[Copy], store_id: bytes, label: str, newest: int) -> Truth:
    ordered = sorted(copies, key=lambda copy: copy.generation)
    rows: Rows = {}
    for copy in ordered:
        rows.update({key: row for key, row in copy.rows.items() if key not in rows or rows[key].generation <= row.generation})
    best = ordered[-1]
    older = [key for key in rows if key not in best.rows] if best.generation > ordered[0].generation else []
    lost = {key: reason for copy in copies for key, reason in copy.broken.items() if key not in rows}
    entries = [(*key, reason) for key, reason in lost.items()]
    seals = sorted((copy.seal for copy in copies if copy.seal), key=lambda seal: seal.generation)
    missing = seals[-1].count - len(rows) - len(lost) if seals else 0
    if missing > 0 or not seals:
        text = f"{missing} rows are lost, their names too" if seals else "both files lost their seal, rows may be missing"
        entries.append(("", "", text))
    behind = newest - max((seal.generation for seal in seals), default=newest)
    if behind > 0 and any(copy.logged for copy in copies):
        entries.append(("", "", f"{behind} changes or more are lost: both logs are broken before their end"))
    boot_id = seals[-1].boot_id if seals else ""
    total = add(0, (row.digest for row in rows.values()))
    return Truth(Seal(store_id, label, boot_id, newest + 1, len(rows), total), rows, entries, older)


def difference(held: Mapping[Key, Row], wanted: Mapping[Key, Row]) -> dict[Key, Row | None]:
    """Say what must be written to a file that holds one set of rows so that it holds the other."""
    changes: dict[Key, Row | None] = {key: row for key, row in wanted.items() if held.get(key) != row}
    changes.update(dict.fromkeys(held.keys() - wanted.keys()))
    return changes


def _raw_key(key: Key) -> tuple[bytes, bytes]:
    return key[0].encode(), key[1].encode()


def _text_key(table: object, key: object) -> Key | None:
    if not isinstance(table, bytes) or not isinstance(key, bytes):
        return None
    return table.decode(errors="backslashreplace"), key.decode(errors="backslashreplace")


def _digest(store_id: bytes, table: bytes, key: bytes, generation: int, body: bytes) -> bytes:
    head = b"%d:%b%d:%b%d:" % (len(table), table, len(key), key, generation)
    return blake2b(head + body, digest_size=DIGEST_BYTES, key=store_id).digest()
