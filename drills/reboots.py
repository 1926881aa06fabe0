"""The boot id changed from outside: the next host runs in a mount namespace where the kernel's file reads another id."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Final

from tierhost.drills.faults import BadPlan
from tierhost.host.shell import procfs

MOUNT_LIMIT_S: Final = 10.0
INSIDE: Final = 'mount --make-rprivate /proc && mount --bind "$0" "$1" && shift && exec "$@"'
"""Run by a shell inside the namespace. /proc is made private there first: the bind must be seen by nobody else."""


class Boots:
    """The boots of one folder. The first is the machine's own; nothing is mounted before there is a second."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._id = ""
        self._shared = False

    def next(self, run: Path, *, keep_run: bool = False) -> str:
        """Lose what a reboot loses (the run directory), and make up another boot id. Raises BadPlan where only root may.

        `keep_run`: it is on a disk, and outlives the boot.

        Whoever calls has ended every process of the folder before, and unmounted what was mounted in it.
        """
        if os.geteuid() != 0:
            raise BadPlan("only root can give a host another boot id", hint="it takes a mount namespace: run the drill as root")
        if not keep_run:
            shutil.rmtree(run, ignore_errors=True)
        if not self._shared:
            # What the host mounts below the folder is then seen from here too, and outlives the host's namespace.
            _mount("--bind", str(self._folder), str(self._folder))
            self._shared = True
            _mount("--make-shared", str(self._folder))
        self._id = str(uuid.uuid4())
        (self._folder / "boot-id").write_text(self._id + "\n", encoding="ascii")
        return self._id

    def wrapped(self, program: tuple[str, ...]) -> tuple[str, ...]:
        """Return the program that starts a host in the present boot; it stays one process, whose pid is the host's."""
        if not self._id:
            return program
        inner = program or (sys.executable, "-m", "tierhost.host")
        file, real = str(self._folder / "boot-id"), str(procfs.BOOT_ID)
        return ("unshare", "--mount", "--propagation", "unchanged", "sh", "-c", INSIDE, file, real, *inner)

    def close(self) -> None:
        """Take the folder's own mount away. May be called again."""
        if self._shared:
            unmount_itself(self._folder)
            self._shared = False


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, timeout=MOUNT_LIMIT_S)


def unmount_itself(folder: Path) -> None:
    """Unmount a folder that is mounted on itself, as often as it is."""
    while _is_mounted(folder):
        subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=MOUNT_LIMIT_S)


def _is_mounted(folder: Path) -> bool:
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    return any(line.split()[4] == str(folder) for line in lines)
