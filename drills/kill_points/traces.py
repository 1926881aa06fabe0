"""What an operation may leave behind in the kernel's view: files, processes, mounts, loop devices of one site."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tierhost.drills import leaks

if TYPE_CHECKING:
    from collections.abc import Iterator

OWN: Final = "tierhost.drills.launcher"
"""In the command line of the host and of all its workers: they come and go, and are looked at by the status."""

COMMAND_LINE_BYTES_MAX: Final = 16 << 10
COMING_AND_GOING: Final = (".db-wal", ".db", ".db-journal")
ONCE_MADE: Final = (".exists", "master.key", "master.key.copy", "vnc.key", ".lock")
"""Files that drivers make at the first change and keep: not what an operation leaves behind."""


def look(folder: Path) -> frozenset[str]:
    """Everything of this site that is not there by itself, a line each."""
    found = [*_files(folder), *_processes(folder)]
    found += [f"mounted {place}" for place in leaks.mounts(folder)]
    found += [f"loop device {name}" for name in leaks.loops(folder)]
    return frozenset(found)


def _files(folder: Path) -> Iterator[str]:
    for place in (folder / "state", folder / "run" / "drivers", folder / "objects"):
        for where, folders, files in os.walk(place):
            for name in files:
                if not name.endswith((*COMING_AND_GOING, *ONCE_MADE)):
                    yield f"file {os.path.join(where, name)}"  # noqa: PTH118  # this is asked for several times a second
            if where != str(place) and Path(where).parent != place and not folders and not files:
                yield f"folder {where}"


def _processes(folder: Path) -> Iterator[str]:
    about, own = f"{folder}/".encode(), OWN.encode()
    for name in os.listdir("/proc"):
        line = _command_line(name) if name.isdigit() else b""
        if about in line and own not in line:
            yield f"process {name}: {line.replace(bytes(1), b' ').decode(errors='replace')[:200]}"


def _command_line(pid: str) -> bytes:
    try:
        descriptor = os.open(f"/proc/{pid}/cmdline", os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(descriptor, COMMAND_LINE_BYTES_MAX)
    except OSError:
        return b""
    finally:
        os.close(descriptor)
