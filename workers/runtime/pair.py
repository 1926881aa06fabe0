"""The two mirror files as one: find the truth at opening, write to both, and go on with one when the other fails."""

from __future__ import annotations

import os
from _blake2 import blake2b  # hashlib would load all of OpenSSL for it
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tierhost.workers.runtime import rows as pure
from tierhost.workers.runtime import wal
from tierhost.workers.runtime.files import evidence_path, sync_folder, write_file
from tierhost.workers.runtime.mirror import Mirror, MirrorFailed
from tierhost.workers.runtime.rows import Copy, Key, Row, Rows, Seal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

MARK_CHECK_BYTES: Final = 8
MARK_BYTES: Final = pure.ID_BYTES + MARK_CHECK_BYTES


@dataclass(slots=True)
class Loaded:
    """What opening found. `lost` (table, key, reason) is what neither file could give back."""

    rows: Rows = field(default_factory=dict)
    generation: int = 0
    boot_id: str = ""
    lost: list[tuple[str, str, str]] = field(default_factory=list)


class Pair:
    """Mirrors `name.a.db` and `name.b.db`, and the marker `name.exists` that remembers which store stood here.

    Nothing is made before the first write: a driver that keeps nothing costs nothing. Not thread-safe; the store's lock
    sees to it. `repaired` gathers what was mended, `tell` hears of files that fail (and, with an empty text, of their
    recovery).
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.label = f"{folder.name}/{name}"
        self.store_id = os.urandom(pure.ID_BYTES)
        self.repaired: list[str] = []
        self.tell: Callable[[str, str], None] = lambda _subject, _trouble: None
        self._mirrors = [Mirror(folder / f"{name}.{letter}.db") for letter in "ab"]
        self._marker = folder / f"{name}.exists"
        self._mark_trouble = ""
        self._settled = False

    def troubles(self) -> dict[str, str]:
        """Say which file is out of use, and why: the store goes on with the other one, without a net."""
        found = {mirror.path.name: mirror.trouble for mirror in self._mirrors}
        found[self._marker.name] = self._mark_trouble
        return {name: trouble for name, trouble in found.items() if trouble}

    def close(self) -> None:
        """Close both files."""
        for mirror in self._mirrors:
            mirror.close()

    # Opening.

    def load(self) -> Loaded:
        """Read both files, decide what is true, and mend what differs. Raises MirrorFailed when neither may be read."""
        copies, failures = self._read_copies()
        marked, mark_trouble = self._read_mark(copies)
        if mark_trouble == "is missing" and all(copy.trouble == "is missing" for copy in copies):
            return Loaded()
        if len(failures) == len(copies) or (failures and not any(copy.seal for copy in copies)):
            self.close()
            raise failures[0]
        truth = self._truth(copies, marked)
        self._settled = True
        loaded = Loaded(truth.rows, truth.seal.generation, truth.seal.boot_id, truth.lost)
        for table, key in truth.older:
            self.repaired.append(f"{table} {key}: taken from the older file, the newer one is broken there")
        for mirror, copy in zip(self._mirrors, copies, strict=True):
            self._mend(mirror, copy, truth, first=mark_trouble == "is missing")
        if marked != self.store_id:
            self._write_mark(mark_trouble or "named another store")
        return loaded

    def _read_copies(self) -> tuple[list[Copy], list[MirrorFailed]]:
        copies, failures = [], []
        for mirror in self._mirrors:
            mirror.sweep()
            try:
                copies.append(mirror.read())
            except MirrorFailed as failure:
                if failure.busy:
                    self.close()
                    raise
                failures.append(failure)
                copies.append(Copy(trouble=f"cannot be read: {failure.text}"))
        for copy in copies:
            pure.find_seal(copy, self.label)
            said, copy.logged = copy.logged, 0
            pure.follow_log(copy, said, wal.BROKEN)
        return copies, failures

    def _truth(self, copies: list[Copy], marked: bytes | None) -> pure.Truth:
        self.store_id = pure.choose_id(copies, marked) or self.store_id
        first, second = copies
        pure.check(first, self.store_id)
        if first.intact and not second.trouble and first.raw == second.raw:
            second.rows = first.rows  # the same bytes need no second check
        else:
            pure.check(second, self.store_id)
        if not any(copy.rows or copy.seal for copy in copies):
            told = "; ".join(f"{mirror.path.name} {copy.trouble}" for mirror, copy in zip(self._mirrors, copies, strict=True))
            lost = [("", "", f"both files of the store are lost: {told}")]
            return pure.Truth(Seal(self.store_id, self.label, "", 1, 0, 0), {}, lost)
        return pure.reconcile(copies, self.store_id, self.label)

    def _mend(self, mirror: Mirror, copy: Copy, truth: pure.Truth, *, first: bool) -> None:
        if copy.intact and copy.seal == truth.seal:
            return
        try:
            if copy.intact:
                mirror.commit(pure.difference(copy.rows, truth.rows), truth.seal)
                # one commit behind is what any kill between the two files leaves
                behind = truth.seal.generation - copy.generation
                told = "" if behind == 1 else "differed from the other file" if behind == 0 else "was older than the other file"
            else:
                mirror.remake(truth.rows, truth.seal)
                told = copy.trouble or f"has {len(copy.broken)} broken rows"
                if first and told == "is missing":  # its making was cut short: the marker is made last
                    told = ""
        except MirrorFailed as failure:
            mirror.trouble = failure.text
            mirror.close()
        else:
            if told:
                self.repaired.append(f"{mirror.path.name} {told}")

    # Writing.

    def write(self, changes: Mapping[Key, Row | None], after: Callable[[], Rows], seal: Seal) -> None:
        """Write a commit to a, then to b. Raises MirrorFailed when it is in neither; in one is enough, and is told.

        `after` gives all rows as they are then, for a file that must be made anew.
        """
        failures: dict[Mirror, MirrorFailed] = {}
        for mirror in self._mirrors:
            try:
                self._write_one(mirror, changes, after, seal)
            except MirrorFailed as failure:
                failures[mirror] = failure
        if len(failures) == len(self._mirrors):
            raise failures[self._mirrors[0]]
        for mirror in self._mirrors:
            was, mirror.trouble = mirror.trouble, failures[mirror].text if mirror in failures else ""
            if mirror in failures:
                mirror.missed.update(changes)
            if mirror.trouble != was:
                self.tell(mirror.path.name, mirror.trouble)
        if not self._settled or self._mark_trouble:
            self._write_mark("")
            self._settled = True

    def _write_one(self, mirror: Mirror, changes: Mapping[Key, Row | None], after: Callable[[], Rows], seal: Seal) -> None:
        told = mirror.trouble or "was changed or removed by somebody else while in use"
        if not mirror.disturbed():
            try:
                mirror.commit({**mirror.missed, **changes}, seal)
            except MirrorFailed as failure:
                if failure.place:
                    raise
                told = f"could not be written: {failure.text}"
            else:
                mirror.missed.clear()
                return
        mirror.remake(after(), seal)
        if self._settled:
            self.repaired.append(f"{mirror.path.name} {told}")
            self.tell(mirror.path.name, told)
            mirror.trouble = told  # so that its recovery is told as well

    # The marker.

    def _read_mark(self, copies: list[Copy]) -> tuple[bytes | None, str]:
        """Return the store's id as the marker has it, and what is wrong with the marker."""
        try:
            seals = {copy.seal.store_id for copy in copies if copy.seal}
            if len(seals) == 1 and all(copy.seal for copy in copies) and os.stat(self._marker).st_size == MARK_BYTES:
                return seals.pop(), ""  # two witnesses agree, the third is not asked
            text = self._marker.read_bytes()
        except FileNotFoundError:
            return None, "is missing"
        except OSError as error:
            return None, f"cannot be read: {error.strerror}"
        store_id = text[: pure.ID_BYTES]
        return (store_id, "") if text == self._mark(store_id) else (None, "is broken")

    def _mark(self, store_id: bytes) -> bytes:
        return store_id + blake2b(store_id + self.label.encode(), digest_size=MARK_CHECK_BYTES).digest()

    def _write_mark(self, told: str) -> None:
        try:
            if not self._settled:
                # a life that was killed may have made the folder and not have come to sync its name
                sync_folder(self._marker.parent.parent)
            if self._marker.is_dir():
                self._marker.replace(evidence_path(self._marker))
            write_file(self._marker, self._mark(self.store_id))
        except OSError as error:
            # not worth failing a commit for: without it only the loss of both files at once would go unnoticed
            self._mark_trouble = f"cannot be written: {error.strerror}"
            self.tell(self._marker.name, self._mark_trouble)
            return
        if self._mark_trouble:
            self._mark_trouble = ""
            self.tell(self._marker.name, "")
        if told:
            self.repaired.append(f"{self._marker.name} {told}")
