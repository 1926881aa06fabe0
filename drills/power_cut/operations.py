"""What a program did to its files, one frozen value for each act that a disk may or may not have kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ROOT: Final = 0
"""The number of the folder that is looked at. Files and folders have numbers, as inodes do: names change, these do not."""


@dataclass(frozen=True, slots=True)
class Made:
    """A file (or folder) came to be. No act of its own on the disk: without a name nobody finds it."""

    number: int
    folder: bool
    mode: int


@dataclass(frozen=True, slots=True)
class Named:
    """A folder got an entry: by creation, by a second name, or in place of what had that name before."""

    folder: int
    name: str
    number: int


@dataclass(frozen=True, slots=True)
class Unnamed:
    """A folder lost an entry."""

    folder: int
    name: str


@dataclass(frozen=True, slots=True)
class Renamed:
    """An entry of a folder took another name in it, in one step."""

    folder: int
    old: str
    new: str
    number: int


@dataclass(frozen=True, slots=True)
class Written:
    """Bytes were written to a file."""

    number: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Sized:
    """A file was cut, or made longer with zeros."""

    number: int
    size: int


@dataclass(frozen=True, slots=True)
class Synced:
    """What was done before to this file's content, or to this folder's entries, is on the disk from here on."""

    number: int


@dataclass(frozen=True, slots=True)
class Said:
    """The program told the world something, as a line of JSON; it cannot take it back."""

    text: str


Change = Named | Unnamed | Renamed | Written | Sized
"""What waits for a sync, and may be lost until then."""

Operation = Made | Change | Synced | Said


def place_of(change: Change) -> int:
    """Say whose sync makes a change durable: the file's own for content, the folder's for names."""
    return change.number if isinstance(change, Written | Sized) else change.folder


def without_syncs(operations: list[Operation], numbers: frozenset[int] | None = None) -> list[Operation]:
    """Return a recording as it would be of a program that forgot to sync (all, or these files and folders): a planted bug."""
    return [one for one in operations if not (isinstance(one, Synced) and (numbers is None or one.number in numbers))]
