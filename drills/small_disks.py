"""Small disks laid under a folder: in memory, on an image, or on an image whose writes can be made to fail; and taken away."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tierhost.drills.faults import NotFired

MEMORY: Final = "memory"
IMAGE: Final = "image"
FAILING: Final = "failing"
KINDS: Final = (MEMORY, IMAGE, FAILING)
NEEDS: Final = {
    MEMORY: {"mount": "mount"},
    IMAGE: {"mount": "mount", "mkfs.ext4": "e2fsprogs"},
    FAILING: {"mount": "mount", "mkfs.ext4": "e2fsprogs", "nbdkit": "nbdkit", "nbdfuse": "libnbd-bin"},
}
"""Programs by the Debian package they come in."""

NBDFUSE: Final = ("setsid", "--fork", "nbdfuse")
NBDKIT: Final = ("nbdkit", "--filter=error", "file")
COMMAND_LIMIT_S: Final = 20.0
SHOWN_WITHIN_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """One disk: its kind, the folder it is laid under (`place`), and where its own files are (`scratch`)."""

    kind: str
    place: Path
    scratch: Path
    size_bytes: int

    @property
    def image(self) -> Path:
        """Its content, unless it is in memory."""
        return self.scratch / "image"

    @property
    def errors(self) -> Path:
        """While this file is there, writes fail (EIO)."""
        return self.scratch / "errors"

    @property
    def block(self) -> Path:
        """What is mounted."""
        return self.scratch / "fuse" / "disk" if self.kind == FAILING else self.image

    def source(self) -> str:
        """The device that is mounted at the place, as the kernel calls it; empty: nothing of ours is mounted there."""
        for line in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
            before, _, after = line.partition(" - ")
            if before.split()[4] == str(self.place):
                return after.split()[1]
        return ""


def why_not(kind: str) -> str:
    """Say why there can be no disk of this kind here; empty if there can."""
    if os.geteuid() != 0:
        return "only root may mount"
    missing = [f"{program} (package {package})" for program, package in NEEDS[kind].items() if shutil.which(program) is None]
    if kind == FAILING and not Path("/dev/fuse").exists():
        missing.append("/dev/fuse (kernel module fuse)")
    return f"there is no {', '.join(missing)}" if missing else ""


def lay(disk: SmallDisk) -> None:
    """Make the disk, copy what is at the place onto it, and mount it there. Nobody may have it open. Raises NotFired."""
    why = why_not(disk.kind)
    if why:
        raise NotFired(why, subject=f"disk {disk.kind}")
    staging = disk.scratch / "staging"
    staging.mkdir(parents=True)
    _make(disk)
    _mount(disk, staging)
    with suppress(OSError):
        (staging / "lost+found").rmdir()
    shutil.copytree(disk.place, staging, symlinks=True, dirs_exist_ok=True)
    # What was copied is as durable as what its driver has acknowledged.
    _run("sync", "--file-system", str(staging))
    _run("mount", "--bind", str(staging), str(disk.place))
    _run("umount", str(staging))


def _make(disk: SmallDisk) -> None:
    if disk.kind == MEMORY:
        return
    disk.image.touch(mode=0o600)
    os.truncate(disk.image, disk.size_bytes)
    # Without a journal: one write of it that fails would be the end of the whole file system.
    features = ("-O", "^has_journal") if disk.kind == FAILING else ()
    _run("mkfs.ext4", "-q", "-F", *features, str(disk.image))
    if disk.kind == FAILING:
        _serve(disk)


def _serve(disk: SmallDisk) -> None:
    """Show the image as a file whose writes can be made to fail. Its servers end when that is unmounted."""
    disk.block.parent.mkdir()
    errors = ("error-rate=100%", "error-pread-rate=0%", f"error-file={disk.errors}")
    with (disk.scratch / "nbdkit.log").open("ab") as log:
        # In a session of its own, and nobody's child: it ends when what it shows is unmounted.
        subprocess.run(
            [*NBDFUSE, str(disk.block), "--socket-activation", *NBDKIT, str(disk.image), *errors],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            timeout=COMMAND_LIMIT_S,
            check=True,
        )
    end_s = time.monotonic() + SHOWN_WITHIN_S
    while not disk.block.exists():
        if time.monotonic() > end_s:
            reason = f"nbdfuse does not show the disk: {(disk.scratch / 'nbdkit.log').read_text()[-500:].strip()}"
            raise NotFired(reason, subject=str(disk.place))
        select.select([], [], [], 0.01)


def _mount(disk: SmallDisk, where: Path) -> None:
    if disk.kind == MEMORY:
        _run("mount", "-t", "tmpfs", "-o", f"size={disk.size_bytes},mode=700", "tierhost-drill", str(where))
    else:
        then = "continue" if disk.kind == FAILING else "remount-ro"
        _run("mount", "-o", f"loop,errors={then}", str(disk.block), str(where))


def mount_again(disk: SmallDisk) -> None:
    """Take an image's file system down and mount it anew. Nobody may have it open; who has, keeps what he has."""
    _run("umount", "--lazy", str(disk.place), check=False)
    _mount(disk, disk.place)


def take_away(disk: SmallDisk) -> None:
    """Unmount it. What was written since it was laid goes with it."""
    _run("umount", "--lazy", str(disk.place), check=False)
    if disk.kind == FAILING:
        _run("umount", "--lazy", str(disk.block.parent), check=False)
    shutil.rmtree(disk.scratch, ignore_errors=True)


def _run(*argv: str, check: bool = True) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=COMMAND_LIMIT_S, check=False)
    if check and done.returncode:
        raise NotFired(f"`{' '.join(argv)}` failed: {done.stderr.strip()}", subject=argv[0])
