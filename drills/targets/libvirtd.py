"""Debian's libvirtd as a target: the same calls by the same names, and the same looks at the world."""

from __future__ import annotations

import base64
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills import kernel
from tierhost.drills.history import Journaled, Look
from tierhost.drills.targets.private_libvirtd import PrivateLibvirtd, why_not
from tierhost.ipc.errors import Code, TierhostError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierhost.drills.plan import Ask, Drill

LOOK_LIMIT_S: Final = 10.0
DAEMON_ROLES: Final = frozenset({"host", "secret", "storage", "qemu"})
"""All of them are the one process of a monolithic libvirtd."""


class NoLibvirtd(TierhostError):
    """Raised when libvirtd cannot be run here."""

    code = Code.NO_SUPPORT


class Libvirtd:
    """One private libvirtd. What it runs on (its guests too) is in `daemon.place`, and ends with it."""

    name = "libvirtd"

    def __init__(self, folder: Path) -> None:
        reason = why_not()
        if reason:
            raise NoLibvirtd(reason, subject="libvirtd")
        self.folder = folder
        self.daemon = PrivateLibvirtd(folder / "libvirt")

    def start(self) -> None:
        """Start libvirtd, and wait until it answers."""
        self.daemon.start()
        self.daemon.ask("open")

    def version(self) -> str:
        """Return the version of the library that answers."""
        number = int(self.daemon.ask("version"))
        return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"

    def kill(self) -> None:
        """SIGKILL libvirtd, and nothing else."""
        self.daemon.kill()

    def ask(self, ask: Ask) -> Any:
        """Make one call over libvirt's own protocol. Raises NoAnswer, or DriverError with libvirt's words."""
        args = [{"bytes": base64.b64encode(each).decode()} if isinstance(each, bytes) else each for each in ask.args]
        method = ask.method.partition(".")[2]
        said = self.daemon.client.ask("call", deadline_s=ask.deadline_s, method=method, args=args)
        return base64.b64decode(said["bytes"]) if isinstance(said, dict) and "bytes" in said else said

    def pids(self, role: str) -> list[int]:
        """Return who plays a role: libvirtd itself plays host and every driver."""
        if role in DAEMON_ROLES:
            return [self.daemon.pid] if self.daemon.pid else []
        return [guest["pid"] for guest in self._guests() if role == f"guest {guest['name']}"]

    def look(self, label: str) -> Look:
        """Ask libvirtd for all it has, and look at the processes and mounts of its place."""
        try:
            objects = self.daemon.client.ask("objects", deadline_s=LOOK_LIMIT_S)
        except TierhostError:
            objects = {}
        processes = [{"pid": pid, "argv": argv, "role": self._role(pid, argv)} for pid, argv in self._argvs()]
        mounts = [place for place in self.daemon.place.mounts() if place.startswith(f"{self.folder}/")]
        world: dict[str, list[Any]] = {"guests": self._guests(), "processes": processes, "mounts": mounts}
        return Look(time.monotonic(), label, objects, world)

    def journal(self) -> list[Journaled]:
        """Return nothing: libvirtd keeps none."""
        return []

    def close(self) -> None:
        """End libvirtd, its guests, and the place they lived in."""
        self.daemon.close()

    def _argvs(self) -> list[tuple[int, list[str]]]:
        found = []
        for pid in self.daemon.place.pids():
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                continue
            if words:
                found.append((pid, os.fsdecode(words).rstrip("\0").split("\0")))
        return found

    def _role(self, pid: int, argv: list[str]) -> str:
        guest = kernel.guest_of(tuple(argv))
        return f"guest {guest[0]}" if guest else "host" if pid == self.daemon.pid else "other"

    def _guests(self) -> list[dict[str, Any]]:
        """Find the QEMU processes, each with the guest's name and uuid on its command line."""
        found = [(pid, guest) for pid, argv in self._argvs() if (guest := kernel.guest_of(tuple(argv)))]
        return [{"uuid": uuid, "name": name, "pid": pid} for pid, (name, uuid) in found]


def open_target(folder: Path) -> Libvirtd:
    """Make a libvirtd of one's own below a folder; `start` starts it. Raises NoLibvirtd, which names the missing package."""
    return Libvirtd(folder)


TARGETS: Final[dict[str, Callable[[Path, Drill], Libvirtd]]] = {"libvirtd": lambda folder, _drill: open_target(folder)}
