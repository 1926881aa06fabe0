"""Sockets as files: who listens at a path, and the way made for a new listener without taking anybody's place."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PRIVATE_UMASK = 0o077


class AddressInUse(OSError):
    """Raised when somebody listens at a path already. libzmq would take it over without a word."""


def somebody_listens(path: Path | str) -> bool:
    """Whether a living process answers at this path. Raises OSError if the path is something that we may not touch."""
    with socket.socket(socket.AF_UNIX) as probe:
        # Somebody who hangs with a full backlog must not make us hang.
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except BlockingIOError:
            return True
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        return True


def make_way(path: str) -> None:
    """Remove a socket that nobody listens at any more; refuse to touch anything else."""
    try:
        mode = os.stat(path, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(errno.EEXIST, "there is something that is no socket", path)
    if somebody_listens(path):
        raise AddressInUse(errno.EADDRINUSE, "somebody listens here already", path)
    Path(path).unlink(missing_ok=True)


@contextmanager
def private_files() -> Iterator[None]:
    """Make files in here for their owner alone. The umask is the process's: for the thread that starts it up only."""
    before = os.umask(PRIVATE_UMASK)
    try:
        yield
    finally:
        os.umask(before)


def inode_of(path: str) -> tuple[int, int] | None:
    """Return what tells one file from another that took its path; None if there is none."""
    try:
        found = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
