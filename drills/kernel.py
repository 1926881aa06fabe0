"""What the kernel says about one folder: processes and their roles, mounts, loop devices, sockets, files."""

from __future__ import annotations

import os
import re
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills import leaks
from tierhost.host.shell import procfs

if TYPE_CHECKING:
    from collections.abc import Mapping

ARGV_CHARS_MAX: Final = 4000
FILES_MAX: Final = 10_000
OTHER: Final = "other"

_NAME: Final = re.compile(r"(?:^|,)guest=([^,]*)")
PARENT_FIELD: Final = 1


@dataclass(frozen=True, slots=True)
class Process:
    """One process that is about the folder: pid with start time is its identity, `argv` its command line (shortened)."""

    pid: int
    start: int
    argv: tuple[str, ...]
    parent: int


def processes(folder: Path) -> list[Process]:
    """List the processes about this folder; one that ends meanwhile is left out."""
    found = (process(pid) for pid in leaks.processes(folder))
    return [each for each in found if each is not None]


def process(pid: int) -> Process | None:
    """Look at one process; None if it is dead."""
    try:
        argv = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").rstrip("\0").split("\0")
        stat = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    start = procfs.start_time(pid)
    if start is None or procfs.is_dead(pid):
        return None
    return Process(pid, start, tuple(word[:ARGV_CHARS_MAX] for word in argv), int(stat[PARENT_FIELD]))


def guest_of(argv: tuple[str, ...]) -> tuple[str, str] | None:
    """Return name and uuid of the guest a QEMU process runs; None for another process."""
    words = dict(pairwise(argv))
    named = _NAME.search(words.get("-name", ""))
    return (named[1], words.get("-uuid", "")) if named else None


def roles(found: list[Process], host: int, lives: Mapping[str, int]) -> dict[int, str]:
    """Say who plays which role: "host", "zygote", "spares", a driver, "guest NAME", or "other".

    `host` is the host's pid, `lives` the pid of each driver's recorded life. The zygote is the host's child, a spare the
    zygote's child that no driver has.
    """
    by_pid = {life: driver for driver, life in lives.items()}
    of_host = {each.pid for each in found if each.pid == host}
    zygotes = {each.pid for each in found if each.parent in of_host and not guest_of(each.argv)} - set(by_pid)
    said = {}
    for each in found:
        guest = guest_of(each.argv)
        if guest:
            said[each.pid] = f"guest {guest[0]}"
        elif each.pid in of_host:
            said[each.pid] = "host"
        elif each.pid in by_pid:
            said[each.pid] = by_pid[each.pid]
        elif each.pid in zygotes:
            said[each.pid] = "zygote"
        else:
            said[each.pid] = "spares" if each.parent in zygotes else OTHER
    return said


def world(folder: Path, host: int, lives: Mapping[str, int]) -> dict[str, list[Any]]:
    """Look at everything, in the form of a history's look."""
    found = processes(folder)
    plays = roles(found, host, lives)
    rows = [{**asdict(each), "argv": list(each.argv), "role": plays[each.pid]} for each in found]
    guests = [(each.pid, guest) for each in found if (guest := guest_of(each.argv))]
    sockets, files = _names(folder)
    return {
        "processes": rows,
        "mounts": [os.path.relpath(place, folder) for place in leaks.mounts(folder)],
        "loops": leaks.loops(folder),
        "sockets": sockets,
        "files": files,
        "guests": [{"uuid": uuid, "name": name, "pid": pid} for pid, (name, uuid) in guests],
    }


def _names(folder: Path) -> tuple[list[str], list[str]]:
    """List the sockets and the other files below the folder, at most so many."""
    sockets: list[str] = []
    files: list[str] = []
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place) / name
            (sockets if path.is_socket() else files).append(str(path.relative_to(folder)))
            if len(files) >= FILES_MAX:
                return sorted(sockets), sorted(files)
    return sorted(sockets), sorted(files)
