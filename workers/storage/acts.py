"""One lock file per object that the programs working on it hold too: tells whether an act of a dead life still runs."""

from __future__ import annotations

import fcntl
import os
import select
import time
from _blake2 import blake2b  # hashlib would load all of OpenSSL for it
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from tierhost.workers.runtime.commands import CommandOverdue, is_stuck
from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RETRY_S: Final = 0.002


class Unanswered(DriverError):
    """Raised when storage somewhere else did not say whether it did what it was told: it may have, and may do so yet."""

    code = Code.OPERATION_TIMEOUT


class ActUnderWay(DriverError):
    """Raised when a program started for an earlier change of the object still runs: killed, but not dead yet."""

    code = Code.RESOURCE_BUSY


def may_still_happen(error: Exception) -> bool:
    """Say whether what failed may still take effect: then nothing is undone, and its intent stays until that is known."""
    return isinstance(error, Unanswered) or is_stuck(error)


class Acts:
    """The lock files of one driver.

    A worker that is killed leaves its mount or qemu-img behind for a moment, or for as long as the kernel hangs. The
    program inherited the lock, so the next life sees by the lock, not by guessing, when the world stands still.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextmanager
    def hold(self, label: str, patience_s: float) -> Iterator[int]:
        """Lock one object for an act; yields the descriptor that the act's programs keep. Raises ActUnderWay.

        The caller has the object's job lock, so whoever else holds this one is of an earlier life.
        """
        path = self._folder / f"{blake2b(label.encode(), digest_size=10).hexdigest()}.lock"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        still_held = True
        try:
            _lock(fd, label, patience_s)
            still_held = False
            yield fd
        except CommandOverdue as error:
            still_held = error.stuck
            raise
        finally:
            if not still_held:
                path.unlink(missing_ok=True)
            os.close(fd)

    def sweep(self) -> None:
        """Remove the lock files that an earlier life left and nobody holds. Called by initialize, before any act."""
        for path in self._folder.glob("*.lock"):
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                with suppress(BlockingIOError):
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
            finally:
                os.close(fd)


def _lock(fd: int, label: str, patience_s: float) -> None:
    """Take the lock. flock cannot wait with a deadline, and this is contended only right after a crash."""
    deadline_s = time.monotonic() + patience_s
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        if time.monotonic() >= deadline_s:
            raise ActUnderWay(
                "a program started for an earlier change still runs; it was killed and hangs inside the kernel",
                subject=label,
                hint="when its storage answers again: tierhost call storage.storage_pool_refresh POOL",
            )
        select.select([], [], [], RETRY_S)
