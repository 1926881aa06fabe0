"""A driver's files of state, damaged while nobody has them open: truncated, emptied, flipped, overwritten, deleted, turned back.

The host is stopped for the few milliseconds this takes, so that no next life opens the files before they are damaged.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills import leaks
from tierhost.drills.faults import BadPlan, NotFired
from tierhost.drills.faults.rows import INSIDE, flip_oldest_row
from tierhost.host.shell import procfs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tierhost.drills.targets import Target

END_LIMIT_S: Final = 5.0
PRIVATE: Final = 0o600
FILE_BYTES_MAX: Final = 64 << 20
GARBAGE: Final = b"this is no state of anybody. " * 64


def truncated(data: bytes) -> bytes:
    """The first half: a disk was full, or a copy was cut short."""
    return data[: len(data) // 2]


def emptied(_data: bytes) -> bytes:
    """Nothing: what a file system leaves of a file that was never synced."""
    return b""


def flipped(data: bytes) -> bytes:
    """One bit in the middle is another."""
    if not data:
        return data
    place = len(data) // 2
    return data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :]


def zeroed(data: bytes) -> bytes:
    """As long as before, and all zeros."""
    return bytes(len(data))


def overwritten(_data: bytes) -> bytes:
    """What belongs to somebody else."""
    return GARBAGE


DAMAGES: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "truncate": truncated,
    "empty": emptied,
    "flip": flipped,
    "zero": zeroed,
    "garbage": overwritten,
}
"""What may be made of a file's bytes; beside them there are "delete" and "old" (as it was when the drill began)."""

HOWS: Final = (*DAMAGES, *INSIDE, "delete", "old")


@dataclass(frozen=True, slots=True)
class Old:
    """A file as it was once; None: it was not there."""

    path: Path
    data: bytes | None


class Damage:
    """Damages files of one driver, between its present life and its next one.

    Options: `files`, a list of patterns below the driver's state and run directories ("persistent.a.db*", "run.?.db*",
    "master.key"; at least one must match); `how`, one of truncate, empty, flip, zero, garbage, flip-rows, flip-oldest-row,
    lose-newest-row, delete, old. `beside`: one more database, of which the oldest row is damaged in the same stroke.
    `put_back`: when it is healed the files are as before, and the driver's next life finds them so.
    """

    def __init__(self, target: Target, whom: str, options: Mapping[str, Any]) -> None:
        unknown = set(options) - {"files", "how", "beside", "put_back"}
        if unknown:
            raise BadPlan(f"a damage has no option {', '.join(sorted(unknown))}", hint="known: files, how, beside, put_back")
        self._patterns = options.get("files")
        self._how = options.get("how", "truncate")
        if not isinstance(self._patterns, list) or not self._patterns:
            raise BadPlan("a damage needs the option `files`, a list of patterns", hint='files = ["persistent.a.db*"]')
        if self._how not in HOWS:
            raise BadPlan(f"{self._how!r} is no way to damage a file", hint=f"known: {', '.join(HOWS)}")
        self._beside = options.get("beside", "")
        self._target = target
        self._whom = whom
        self._folders = (target.folder / "state" / whom, target.folder / "run" / "drivers" / whom)
        self._before = [Old(path, path.read_bytes()) for path in self._found()] if self._how == "old" else []
        self._put_back = options.get("put_back", False) is True
        self._kept: list[Old] = []
        self._stopped = -1

    def _found(self) -> list[Path]:
        matching = (path for folder in self._folders for pattern in self._patterns or () for path in folder.glob(pattern))
        return sorted({path for path in matching if path.is_file() and path.stat().st_size <= FILE_BYTES_MAX})

    def strike(self) -> str:
        """Stop the host, end the worker, damage the files, and let the host go on."""
        host = self._target.pids("host")
        workers = self._target.pids(self._whom)
        if not host or not workers:
            raise NotFired(f"there is no host, or no worker of {self._whom}")
        self._stopped = os.pidfd_open(host[0])
        signal.pidfd_send_signal(self._stopped, signal.SIGSTOP)
        try:
            _wait_stopped(host[0])
            for pid in workers:
                _end(pid)
            self._kept = [Old(path, path.read_bytes()) for path in self._found()] if self._put_back else []
            return f"{self._whom} killed; " + self._damage() + self._damage_beside()
        finally:
            self._go_on()

    def _damage(self) -> str:
        found = self._found()
        if self._how == "old":
            return self._turn_back(found)
        if not found:
            raise NotFired(f"no file of {self._whom} matches {', '.join(self._patterns or ())}")
        changed = []
        for path in found:
            if self._how in INSIDE:
                changed.append(INSIDE[self._how](path))
                continue
            data = path.read_bytes()
            if self._how == "delete":
                path.unlink()
                changed.append(f"{path.name} deleted")
                continue
            damaged = DAMAGES[self._how](data)
            if damaged != data:
                path.write_bytes(damaged)
                changed.append(f"{path.name} {self._how}: {len(data)} bytes became {len(damaged)}")
        if not changed:
            raise NotFired(f"{self._how} changes nothing in {', '.join(path.name for path in found)}")
        return ", ".join(changed)

    def _damage_beside(self) -> str:
        found = [folder / self._beside for folder in self._folders if self._beside and (folder / self._beside).is_file()]
        if self._beside and not found:
            raise NotFired(f"there is no {self._beside} of {self._whom}")
        return "".join(f", {flip_oldest_row(path)}" for path in found)

    def _turn_back(self, found: list[Path]) -> str:
        """Put the files there as they were; take those away that were not there."""
        same = all(old.path.is_file() and old.path.read_bytes() == old.data for old in self._before)
        fresh = set(found) - {old.path for old in self._before}
        if not self._before or (same and not fresh):
            raise NotFired("nothing was written since the drill began: the old copy is the present one")
        for path in fresh:
            path.unlink()
        for old in self._before:
            old.path.write_bytes(old.data or b"")
        return f"{', '.join(old.path.name for old in self._before)} as when the drill began"

    def _go_on(self) -> None:
        if self._stopped >= 0:
            signal.pidfd_send_signal(self._stopped, signal.SIGCONT)
            os.close(self._stopped)
            self._stopped = -1

    def heal(self) -> None:
        """The product has to cope with it: nothing is put back, unless the plan says so."""
        self._go_on()
        for old in self._kept:
            old.path.write_bytes(old.data or b"")
            old.path.chmod(PRIVATE)
        for pid in self._target.pids(self._whom) if self._kept else ():
            _end(pid)
        self._kept.clear()


def _wait_stopped(pid: int) -> None:
    deadline_s = time.monotonic() + END_LIMIT_S
    while not procfs.is_stopped(pid):
        if time.monotonic() > deadline_s:
            raise NotFired(f"the host (pid {pid}) could not be stopped")


def _end(pid: int) -> None:
    fd = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(fd, signal.SIGKILL)
        if not leaks.wait_readable(fd, END_LIMIT_S):
            raise NotFired(f"pid {pid} lives {END_LIMIT_S:g} s after SIGKILL")
    finally:
        os.close(fd)


KINDS = {"damage": Damage}
