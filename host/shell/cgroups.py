"""One cgroup per worker where the kernel lets us: exact, race-free "everything of this life is dead"; else its session."""

from __future__ import annotations

import os
import re
import select
import signal
import time
from _blake2 import blake2b  # hashlib would load all of OpenSSL for it
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tierhost.host.shell import procfs

if TYPE_CHECKING:
    from collections.abc import Iterable

MOUNTS = Path("/proc/self/mountinfo")
END_S = 2.0
"""How long a start waits for the last of former lives; the kernel needs a few milliseconds, if nothing holds them."""


@dataclass(frozen=True, slots=True)
class Fence:
    """Where workers are fenced in: a folder of the cgroup v2 tree, or None when sessions have to do."""

    folder: Path | None

    @classmethod
    def build(cls, run: Path) -> Fence:
        """Make this host's folder in the first writable cgroup v2 mount.

        The name follows from the runtime directory, so that the next host finds it again.
        """
        name = "tierhost-" + blake2b(os.fsencode(run), digest_size=6).hexdigest()
        for mount in _cgroup2_mounts():
            folder = mount / name
            try:
                folder.mkdir(exist_ok=True)
                probe = folder / "probe"
                probe.mkdir(exist_ok=True)
                usable = (probe / "cgroup.kill").exists() and os.access(probe / "cgroup.procs", os.W_OK)
                probe.rmdir()
            except OSError:
                continue
            if usable:
                return cls(folder)
        return cls(None)

    def place(self, serial: str) -> str:
        """Name the cgroup of one worker; the worker makes and enters it itself."""
        return str(self.folder / serial) if self.folder else ""

    def folders(self) -> list[str]:
        """List the cgroups of workers in this host's folder."""
        return (
            [str(path) for path in self.folder.iterdir() if path.is_dir() and not path.name.startswith("guest")]
            if self.folder
            else []
        )

    def remove(self) -> None:
        """Take the host's own folder away, if nobody is left in it."""
        if self.folder:
            try:
                self.folder.rmdir()
            except OSError:
                return


def _cgroup2_mounts() -> list[Path]:
    found = []
    for line in MOUNTS.read_bytes().splitlines():
        before, _, after = line.partition(b" - ")
        if after.split(b" ", 1)[0] == b"cgroup2":
            found.append(Path(_unescaped(before.split()[4])))
    return found


def _unescaped(path: bytes) -> str:
    """Undo what the kernel does to white space and backslashes; the other bytes of a path need not be text."""
    return os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), path))


def kill_all(cgroup: str, session: int) -> None:
    """End everything of one life at once. Safe to repeat."""
    if cgroup:
        try:
            Path(cgroup, "cgroup.kill").write_text("1")
        except FileNotFoundError:
            pass
        else:
            return
    for pid in members("", session):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def end(folders: Iterable[str]) -> None:
    """End everybody in these cgroups, and wait for it (END_S): lives and spares that no host knows of any more."""
    poll = select.poll()
    dying = set()
    for folder in folders:
        for pid in members(folder, 0):
            with suppress(ProcessLookupError):
                dying.add(os.pidfd_open(pid))
        kill_all(folder, 0)
    for pidfd in dying:
        poll.register(pidfd, select.POLLIN)
    deadline_s = time.monotonic() + END_S
    while dying and (remaining_s := deadline_s - time.monotonic()) > 0:
        for pidfd, _ in poll.poll(remaining_s * 1000):
            poll.unregister(pidfd)
            dying.remove(pidfd)
            os.close(pidfd)
    for pidfd in dying:
        os.close(pidfd)


def members(cgroup: str, session: int) -> list[int]:
    """List the processes of one life that are not dead yet."""
    if cgroup:
        try:
            return [int(pid) for pid in Path(cgroup, "cgroup.procs").read_text().split()]
        except OSError:
            return []
    if session <= 0:
        # One that was never born has no session; 0 is what the kernel says of processes from outside our pid namespace.
        return []
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if procfs.is_alive_in(pid, session)]


def remove(cgroup: str) -> bool:
    """Remove the empty cgroup of a buried life. False: somebody is still in it."""
    if not cgroup:
        return True
    try:
        Path(cgroup).rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
