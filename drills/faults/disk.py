"""The disk under a driver's files: full, read-only, or with writes that fail. It is a small one of our own, put there first."""

from __future__ import annotations

import errno
import os
import secrets
from abc import abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from tierhost.drills import small_disks
from tierhost.drills.faults import BadPlan, NotFired
from tierhost.drills.faults.bodies import Leashed, check_known, number, text
from tierhost.drills.faults.undoing import PLACE
from tierhost.drills.resting import resting
from tierhost.drills.small_disks import SmallDisk
from tierhost.ipc.errors import TierhostError
from tierhost.ipc.paths import Root

if TYPE_CHECKING:
    from collections.abc import Mapping

SIZE_MIB: Final = 16
BALLAST: Final = ".tierhost-drill-ballast"
PROBE: Final = ".tierhost-drill-probe"
PIECES: Final = (1 << 20, 1 << 16, 1 << 12, 1)
PAGE: Final = 4096


class _Disk(Leashed):
    """`place`: "state" or "run" of the driver, or a folder below the target's. `size_mib`: how small the disk is.

    The driver rests while its files move to the small disk (`make_ready`; a strike does it if nobody did before). The disk
    stays under them when the fault is healed; it goes with the target.
    """

    disk: ClassVar[str]

    def __init__(self, target: Any, whom: str, options: Mapping[str, Any]) -> None:
        super().__init__(target, whom, options)
        check_known(self.kind, options, {"place", "size_mib", "left_bytes"})
        self.size_bytes = int(number(self.kind, options, "size_mib", SIZE_MIB, 1, 1024)) << 20
        self.left_bytes = int(number(self.kind, options, "left_bytes", 0, 0, 1 << 30))
        self.place = _place(target.folder, whom, text(self.kind, options, "place", "state"))

    def prepare(self) -> dict[str, Any]:
        """Name the disk."""
        why = small_disks.why_not(self.disk)
        if why:
            raise NotFired(why, subject=f"disk {self.disk}", hint="see the list of Debian packages")
        scratch = self.target.folder / PLACE / "small-disks" / secrets.token_hex(4)
        place, folder = str(self.place), str(self.target.folder)
        return {"folder": folder, "driver": self.whom, "place": place, "scratch": str(scratch), "size_bytes": self.size_bytes}

    def make_ready(self) -> None:
        """Move the files to the small disk. The driver has a new life afterwards."""
        disk = self._small(self.leash()["arguments"])
        if disk.scratch.exists():
            return
        if not disk.place.is_dir():
            raise NotFired(f"there is no folder {disk.place}", subject=self.whom)
        with resting(self.target.folder, self.whom):
            small_disks.lay(disk)

    def act(self, arguments: Mapping[str, Any]) -> str:
        """Spoil the disk, and see that a write fails."""
        self.make_ready()
        disk = self._small(arguments)
        self.spoil(disk)
        wrong = probe(disk.place)
        if wrong != self.wanted():
            reason = f"a write there ends with {wrong or 'success'} and not with {self.wanted()}"
            raise NotFired(reason, subject=str(disk.place))
        return f"a write at {disk.place} ends with {wrong}"

    @classmethod
    def _small(cls, arguments: Mapping[str, Any]) -> SmallDisk:
        return SmallDisk(cls.disk, Path(arguments["place"]), Path(arguments["scratch"]), arguments["size_bytes"])

    @abstractmethod
    def spoil(self, disk: SmallDisk) -> None:
        """Do it."""

    @abstractmethod
    def wanted(self) -> str:
        """The name of the error that a write must have."""


class Full(_Disk):
    """No space left, but for `left_bytes`."""

    kind = "disk-full"
    disk = small_disks.MEMORY

    def spoil(self, disk: SmallDisk) -> None:
        """Fill it with ballast."""
        with (disk.place / BALLAST).open("ab", buffering=0) as ballast:
            for piece in PIECES:
                with suppress(OSError):
                    while True:
                        ballast.write(bytes(piece))
            ballast.truncate(max(0, ballast.tell() - self.left_bytes))

    def wanted(self) -> str:
        """With something left, the probe, which is small, may succeed."""
        return "ENOSPC" if self.left_bytes < PAGE else ""

    @staticmethod
    def undo(**arguments: Any) -> None:
        """Throw the ballast off."""
        (Path(arguments["place"]) / BALLAST).unlink(missing_ok=True)


class ReadOnly(_Disk):
    """The file system has met an error and takes no writes any more. Healed by a fresh mount, while the driver rests."""

    kind = "disk-read-only"
    disk = small_disks.IMAGE

    def spoil(self, disk: SmallDisk) -> None:
        """Tell the kernel of an error."""
        device = Path(disk.source()).name
        try:
            Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("1")
        except OSError as error:
            raise NotFired(f"the kernel takes no error for {device}: {error}", subject=str(disk.place)) from None

    def wanted(self) -> str:
        """What a file system says that takes no writes."""
        return "EROFS"

    @classmethod
    def _again(cls, arguments: Mapping[str, Any]) -> None:
        disk = cls._small(arguments)
        if disk.image.exists() and probe(disk.place) == "EROFS":
            small_disks.mount_again(disk)

    @staticmethod
    def undo(**arguments: Any) -> None:
        """Mount it anew."""
        if probe(Path(arguments["place"])) != "EROFS":
            return
        try:
            with resting(Path(arguments["folder"]), arguments["driver"]):
                ReadOnly._again(arguments)
        except TierhostError:
            # No host, or one that does not come to rest: the disk is healed all the same.
            ReadOnly._again(arguments)


class Failing(_Disk):
    """Writes fail (EIO), reads do not: a server below the file system refuses them."""

    kind = "disk-errors"
    disk = small_disks.FAILING

    def spoil(self, disk: SmallDisk) -> None:
        """Let writes fail from now on."""
        disk.errors.touch()

    def wanted(self) -> str:
        """What a write says that failed below the file system."""
        return "EIO"

    @staticmethod
    def undo(**arguments: Any) -> None:
        """Let writes succeed again."""
        (Path(arguments["scratch"]) / "errors").unlink(missing_ok=True)


def probe(place: Path) -> str:
    """Write a page and make it durable. Returns the name of the error; empty: it worked."""
    path = place / PROBE
    try:
        fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        try:
            os.write(fd, bytes(PAGE))
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    finally:
        with suppress(OSError):
            path.unlink()
    return ""


def _place(folder: Path, driver: str, place: str) -> Path:
    root = Root.under(folder)
    known = {"state": root.driver_state(driver), "run": root.driver_run(driver)}
    path = known.get(place, folder / place)
    if folder not in path.parents:
        raise BadPlan(f"place must be state, run or a folder below {folder}, got {place!r}", subject="fault disk")
    return path


KINDS: Final[dict[str, type[Leashed]]] = {Full.kind: Full, ReadOnly.kind: ReadOnly, Failing.kind: Failing}
