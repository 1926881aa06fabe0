"""The journal: every event the core was told and every command it gave, in order, one JSON object a line."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tierhost.host.core.commands import Command
    from tierhost.host.core.events import Event

JOURNAL_BYTES_MAX = 16 << 20
"""Size at which the journal becomes `journal.jsonl.1` (one old one is kept)."""


class Journal:
    """Append-only. Lines are gathered and written once per turn of the loop, after the orders were carried out."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._facts: list[tuple[float, Event | Command]] = []
        self._lost = 0
        self._torn = False
        self._open()

    def _open(self) -> None:
        self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._fd).st_size

    def note(self, now_s: float, fact: Event | Command) -> None:
        """Take down one event or command; it becomes text when there is time (`flush`)."""
        self._facts.append((now_s, fact))

    def flush(self) -> None:
        """Write what was gathered. A full disk costs journal lines, never a worker; how many is written once it can be."""
        if not self._facts:
            return
        lines = [json.dumps({"is": "JournalLost", "lines": self._lost})] if self._lost else []
        lines += [_line(now_s, fact) for now_s, fact in self._facts]
        taken = len(self._facts)
        self._facts.clear()
        try:
            self._write(("\n".join(lines) + "\n").encode())
        except OSError:
            self._lost += taken
            return
        self._lost = 0
        if self._size > JOURNAL_BYTES_MAX:
            self._rotate()

    def _write(self, data: bytes) -> None:
        """Write all of it. A disk that fills up takes the first part, and refuses the rest."""
        left = b"\n" + data if self._torn else data
        while left:
            written = os.write(self._fd, left)
            self._size += written
            left = left[written:]
            self._torn = bool(left)

    def _rotate(self) -> None:
        """Begin a new file. If that cannot be had just now the old one goes on, and it is tried again at the next turn."""
        full = self._fd
        try:
            with suppress(FileNotFoundError):
                os.replace(self._path, self._path.with_name(self._path.name + ".1"))
            self._open()
        except OSError:
            return
        os.close(full)

    def close(self) -> None:
        """Write what is left and close the file."""
        self.flush()
        os.close(self._fd)


def _line(now_s: float, fact: Event | Command) -> str:
    fields = {name: getattr(fact, name) for name in fact.__dataclass_fields__}
    return json.dumps({"at_s": round(now_s, 6), "is": type(fact).__name__, **fields})
