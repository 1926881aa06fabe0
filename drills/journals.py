"""Reads the host's journal: as a whole for a history, and line by line while it is written."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tierhost.drills.history import Journaled

if TYPE_CHECKING:
    from pathlib import Path

READ_BYTES: Final = 1 << 20


def parse_line(text: str) -> Journaled | None:
    """Read one line; None for one that was torn by a crash."""
    try:
        fields = json.loads(text)
    except ValueError:
        return None
    if not isinstance(fields, dict) or not isinstance(fields.get("is"), str):
        return None
    what, at_s = fields.pop("is"), fields.pop("at_s", 0.0)
    return Journaled(float(at_s), what, fields)


def read_all(path: Path) -> list[Journaled]:
    """Return what was written, the older file first."""
    lines: list[str] = []
    for file in (path.with_name(path.name + ".1"), path):
        try:
            lines += file.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            continue
    return [found for line in lines if (found := parse_line(line)) is not None]


@dataclass(slots=True)
class JournalTail:
    """Follows one journal through its rotation, and through the folder being emptied."""

    path: Path
    _inode: int = 0
    _offset: int = 0
    _rest: bytes = b""

    def skip(self) -> None:
        """Begin at what is written from now on."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return
        self._inode, self._offset = found.st_ino, found.st_size

    def read(self) -> list[Journaled]:
        """Return the whole lines that came since the last time."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return []
        try:
            inode = os.fstat(fd).st_ino
            if inode != self._inode:
                self._inode, self._offset, self._rest = inode, 0, b""
            data = os.pread(fd, READ_BYTES, self._offset)
        finally:
            os.close(fd)
        self._offset += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        parsed = (parse_line(line.decode("utf-8", "replace")) for line in lines if line)
        return [found for found in parsed if found is not None]
