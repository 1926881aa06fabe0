"""The two sides of a comparison: a target, and where the same fault hits it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from tierhost import __version__
from tierhost.drills.plan import Ask
from tierhost.drills.targets.libvirtd import Libvirtd
from tierhost.drills.targets.ours import OurHost
from tierhost.drills.waiting import strike, until

if TYPE_CHECKING:
    from pathlib import Path

    from tierhost.drills.targets import Target

CALL_LIMIT_S: Final = 60.0
STATUS_FOLDER: Final = "/run/libvirt/qemu"


class Side(Protocol):
    """One target that was started, and is ended by whoever opened it."""

    @property
    def target(self) -> Target:
        """Who is asked, and looked at."""

    @property
    def folder(self) -> Path:
        """Where its pools may be."""

    @property
    def name(self) -> str:
        """What it is, with its version."""

    def crash(self) -> None:
        """SIGKILL everything but the guests."""

    def writer(self) -> int:
        """Return the process that writes down how guests are."""

    def recover(self) -> None:
        """Return when its writer was killed and serves again: restarted by its supervisor, or, where it has none, by us."""

    def status_files(self, guest: str) -> list[list[Path]]:
        """Return the files that say that a guest runs; each list is one damage: all of its files at once."""


class LibvirtdSide:
    """libvirtd: one process is everything, and nobody restarts it but us."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.target = self._libvirtd = Libvirtd(folder)

    @property
    def name(self) -> str:
        """Libvirt, and the version that answers."""
        return f"libvirt {self._libvirtd.version()}"

    def crash(self) -> None:
        """SIGKILL libvirtd."""
        self._libvirtd.kill()

    def writer(self) -> int:
        """Return libvirtd's process."""
        return self._libvirtd.daemon.pid

    def recover(self) -> None:
        """Start it again, as systemd would."""
        self._libvirtd.kill()
        self._libvirtd.start()

    def status_files(self, guest: str) -> list[list[Path]]:
        """Return the guest's status XML: there is one."""
        return [[self._libvirtd.daemon.place.path(f"{STATUS_FOLDER}/{guest}.xml")]]


class OurSide:
    """A host of ours with its workers. A worker is restarted by the host."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.target = self._host = OurHost(folder)
        self._before = 0

    @property
    def name(self) -> str:
        """Ours, and the version of this tree."""
        return f"tierhost {__version__}"

    def crash(self) -> None:
        """SIGKILL the host, every worker, and all that is parked."""
        for pid in self._host.pids("everything"):
            strike(pid)

    def writer(self) -> int:
        """Return the qemu worker's process."""
        self._before = next(iter(self._host.pids("qemu")), 0)
        return self._before

    def recover(self) -> None:
        """Wait for its next life to be ready."""
        until(self._next_life, "the qemu driver has a next life that is ready")

    def _next_life(self) -> bool:
        rows = self._host.client().host("status")["drivers"]
        return any(row["name"] == "qemu" and row["phase"] == "READY" and row["pid"] != self._before for row in rows)

    def status_files(self, guest: str) -> list[list[Path]]:
        """Return the mirrors of what the driver knows of running guests: one, the other, both."""
        one, other = (self._host.root.driver_run("qemu") / f"run.{letter}.db" for letter in "ab")
        return [[one], [other], [one, other]]


OpenSide: TypeAlias = Callable[[], AbstractContextManager[Side]]
"""Makes a fresh side that was started, and ends it."""


def ask(side: Side, method: str, *args: Any, limit_s: float = CALL_LIMIT_S) -> Any:
    """Make one call."""
    return side.target.ask(Ask(method, args, limit_s))
