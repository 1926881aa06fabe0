"""A disk as a value: files with their bytes, folders with their entries; and what one change makes of it. No real disk here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tierhost.drills.power_cut.operations import ROOT, Made, Named, Renamed, Sized, Unnamed, Written

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierhost.drills.power_cut.operations import Change


@dataclass(frozen=True, slots=True)
class Entry:
    """One file or folder as somebody finds it who walks the disk after the cut."""

    path: str
    folder: bool
    mode: int
    content: bytes = b""


@dataclass(slots=True)
class Disk:
    """Copied before it is changed: contents are immutable bytes, so a copy is a handful of references."""

    modes: dict[int, int] = field(default_factory=lambda: {ROOT: 0o700})
    contents: dict[int, bytes] = field(default_factory=dict)
    entries: dict[int, dict[str, int]] = field(default_factory=lambda: {ROOT: {}})

    def copy(self) -> Disk:
        """Return a disk that may be changed without changing this one."""
        return Disk(dict(self.modes), dict(self.contents), {number: dict(names) for number, names in self.entries.items()})

    def make(self, made: Made) -> None:
        """Remember a new file or folder, which has no name yet."""
        self.modes[made.number] = made.mode
        if made.folder:
            self.entries[made.number] = {}
        else:
            self.contents[made.number] = b""

    def apply(self, change: Change) -> None:
        """Make one change, as far as its object is there: a disk that forgot something may remember what came after it."""
        if isinstance(change, Written):
            self.contents[change.number] = _written(self.contents[change.number], change.offset, change.data)
        elif isinstance(change, Sized):
            self.contents[change.number] = self.contents[change.number][: change.size].ljust(change.size, b"\0")
        elif isinstance(change, Named):
            self.entries[change.folder][change.name] = change.number
        elif isinstance(change, Unnamed):
            self.entries[change.folder].pop(change.name, None)
        else:
            _rename(self.entries[change.folder], change)

    def walk(self, number: int = ROOT, path: str = "") -> Iterator[Entry]:
        """Yield what can be reached by names, folders before what is in them."""
        for name, child in sorted(self.entries[number].items()):
            place = f"{path}{name}"
            folder = child in self.entries
            yield Entry(place, folder, self.modes[child], self.contents.get(child, b""))
            if folder:
                yield from self.walk(child, f"{place}/")

    def digest(self) -> str:
        """Return the same for disks on which the same can be found."""
        found = hashlib.blake2b(digest_size=16)
        for entry in self.walk():
            found.update(f"{entry.path}\0{entry.folder}{entry.mode:o} {len(entry.content)}\0".encode())
            found.update(entry.content)
        return found.hexdigest()


def _written(content: bytes, offset: int, data: bytes) -> bytes:
    return content[:offset].ljust(offset, b"\0") + data + content[offset + len(data) :]


def _rename(names: dict[str, int], change: Renamed) -> None:
    if names.get(change.old) == change.number:
        del names[change.old]
    names[change.new] = change.number
