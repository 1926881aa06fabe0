"""Looks for secret values where none may be: command lines, environments, and every file of a site (logs, cores, state).

A value is looked for as it is, in hexadecimal and in base64, wherever it may begin in a longer text. What is found is told by
the secret's name, the place and the form; the value itself is never repeated.
"""

from __future__ import annotations

import base64
import os
import stat
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

VALUE_BYTES_MIN: Final = 6
"""A shorter value is found everywhere by chance: it is said not to have been looked for."""

CHUNK_BYTES: Final = 4 << 20
FILE_BYTES_MAX: Final = 256 << 20
FILES_MAX: Final = 20_000
LIMIT_S: Final = 20.0
PROC: Final = ("cmdline", "environ")


@dataclass(slots=True)
class Search:
    """What was found, and how much of it all was looked at. `left_out` says what was not: then nobody knows."""

    secrets: int = 0
    files: int = 0
    processes: int = 0
    found: list[dict[str, str]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def as_world(self) -> dict[str, list[Any]]:
        """In the form of a look: `exposed` and `searched` belong into its `world`."""
        searched = {"secrets": self.secrets, "files": self.files, "processes": self.processes, "left_out": self.left_out}
        return {"exposed": self.found, "searched": [searched]}


def search(folder: Path, pids: Iterable[int], values: Mapping[str, bytes], *, limit_s: float = LIMIT_S) -> Search:
    """Look for every value (by its secret's name) in the processes and below the folder. Files that vanish meanwhile are none."""
    done = Search()
    deadline_s = time.monotonic() + limit_s
    needles = _needles(values, done)
    if not needles:
        return done
    for pid in pids:
        done.processes += 1
        for what in PROC:
            _look(Path(f"/proc/{pid}/{what}"), f"{what} of process {pid}", needles, done, deadline_s)
    for path in _files(folder, done):
        if time.monotonic() > deadline_s:
            done.left_out.append(f"everything from {path.relative_to(folder)} on: {limit_s:g} s were over")
            break
        done.files += 1
        _look(path, str(path.relative_to(folder)), needles, done, deadline_s)
    return done


Needles = list[tuple[str, str, bytes]]


def _needles(values: Mapping[str, bytes], done: Search) -> Needles:
    needles: Needles = []
    for name, value in values.items():
        if len(value) < VALUE_BYTES_MIN:
            done.left_out.append(f"secret {name}: it is shorter than {VALUE_BYTES_MIN} bytes")
            continue
        done.secrets += 1
        forms = {"clear": value, "hex": value.hex().encode(), "HEX": value.hex().upper().encode()}
        forms |= {f"base64+{offset}": _base64_inside(value, offset) for offset in range(3)}
        needles += [(name, form, data) for form, data in forms.items() if len(data) >= VALUE_BYTES_MIN]
    return needles


def _base64_inside(value: bytes, offset: int) -> bytes:
    """The part of a value's base64 that does not depend on what stands around it, if it begins at such an offset of a text."""
    encoded = base64.b64encode(b"\0" * offset + value)
    # Sextets that hold bits of what stands before or behind: ceil(8 * offset / 6) at the front, the last whole one at the end.
    first = -(-8 * offset // 6)
    return encoded[first : 8 * (offset + len(value)) // 6]


def _files(folder: Path, done: Search) -> Iterable[Path]:
    count = 0
    for place, _, names in os.walk(folder):
        for name in sorted(names):
            count += 1
            if count > FILES_MAX:
                done.left_out.append(f"more than {FILES_MAX} files")
                return
            yield Path(place) / name


def _look(path: Path, where: str, needles: Needles, done: Search, deadline_s: float) -> None:
    """Read a file in pieces that overlap by the longest value."""
    try:
        # Not a fifo or a device, which would hold us up; and nothing behind a link.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if path.exists() and not path.is_symlink() and not path.is_socket():
            done.left_out.append(f"{where}: {error.strerror}")
        return
    with os.fdopen(fd, "rb") as file:
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode):
            return
        overlap = max(len(data) for _, _, data in needles) - 1
        seen: set[tuple[str, str]] = set()
        tail, read = b"", 0
        try:
            while chunk := file.read(CHUNK_BYTES):
                text = tail + chunk
                seen |= {(name, form) for name, form, data in needles if data in text}
                tail, read = text[-overlap:], read + len(chunk)
                if read >= FILE_BYTES_MAX or time.monotonic() > deadline_s:
                    done.left_out.append(f"{where}: what is behind byte {read}")
                    break
        except (ProcessLookupError, FileNotFoundError):
            return
        except OSError as error:
            done.left_out.append(f"{where}: {error.strerror}")
    done.found += [{"secret": name, "place": where, "form": form} for name, form in sorted(seen)]
