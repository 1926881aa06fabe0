"""A place apart for a daemon of the system: mounts, network and process ids of its own; all that lives in it ends with it."""

from __future__ import annotations

import os
import select
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tierhost.ipc.errors import Code, TierhostError

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMESPACES: Final = ("mnt", "net", "pid")
MADE_LIMIT_S: Final = 10.0
GONE_LIMIT_S: Final = 10.0

SCRIPT: Final = """set -e
mount --make-rprivate /
for place in "$@"; do mkdir -p "$place"; mount -t tmpfs -o mode=755 apart "$place"; done
ip link set lo up
echo made
cat
"""
"""The place's first process. It reaps orphans, as a shell does while it waits, and ends, with all that is there, when our
end of the pipe is closed: also when we are killed."""


class NoPlace(TierhostError):
    """Raised when a place apart cannot be made, or does not end."""

    code = Code.OPERATION_FAILED


class Apart:
    """One place. `covered` are folders of the machine that are empty in there; what is below any other is shared with us."""

    def __init__(self, covered: Sequence[str]) -> None:
        argv = [
            "unshare",
            "--mount",
            "--net",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "sh",
            "-c",
            SCRIPT,
            "sh",
            *covered,
        ]
        self._keeper = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        assert self._keeper.stdout is not None
        heard = select.select([self._keeper.stdout], [], [], MADE_LIMIT_S)[0]
        if not heard or self._keeper.stdout.readline() != b"made\n":
            self.close()
            raise NoPlace(
                "its namespaces could not be made", subject="a place apart", hint="it takes root; see what was said above"
            )
        self._init = _children(self._keeper.pid)[0]
        self._pid_namespace = Path(f"/proc/{self._init}/ns/pid").readlink()

    def argv(self, *command: str) -> list[str]:
        """Return the command that runs another command in there."""
        places = [f"--{kind if kind != 'mnt' else 'mount'}=/proc/{self._init}/ns/{kind}" for kind in NAMESPACES]
        return ["nsenter", *places, "--", *command]

    def path(self, inside: str) -> Path:
        """Where we find a file that has this name in there."""
        return Path(f"/proc/{self._init}/root") / inside.lstrip("/")

    def entered(self, nsenter: int) -> int:
        """Return our number of the process that an `nsenter` of ours has started; 0 if it is gone."""
        return next(iter(_children(nsenter)), 0)

    def pids(self) -> list[int]:
        """Return our numbers of the processes in there, the first one excepted."""
        found = []
        for name in os.listdir("/proc"):
            if name.isdigit() and int(name) != self._init:
                try:
                    if Path(f"/proc/{name}/ns/pid").readlink() == self._pid_namespace:
                        found.append(int(name))
                except OSError:
                    continue
        return sorted(found)

    def mounts(self) -> list[str]:
        """Return every mount point in there."""
        lines = Path(f"/proc/{self._init}/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return [line.split()[4] for line in lines]

    def close(self) -> None:
        """End it and everything in it. May be called again."""
        for pipe in (self._keeper.stdin, self._keeper.stdout):
            if pipe is not None:
                pipe.close()
        try:
            # Its first process has read the end of our pipe. It takes everybody along: the kernel lets it go when they are gone.
            self._keeper.wait(GONE_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._keeper.kill()
            raise NoPlace(f"it did not end within {GONE_LIMIT_S} s", subject="a place apart") from None


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
