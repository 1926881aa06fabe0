"""What is on a device before something new is made there: nobody may use it, and what is known is not overwritten unasked."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

from tierhost.workers.runtime.commands import run
from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.storage.directories import subject
from tierhost.workers.storage.flags import BUILD_OVERWRITE
from tierhost.workers.storage.mounts import users_of

if TYPE_CHECKING:
    from tierhost.workers.storage.backend import Effort
    from tierhost.workers.storage.pool_xml import PoolDefinition

BLKID_NOTHING_FOUND: Final = 2


def need_root(definition: PoolDefinition, why: str) -> None:
    """Raise where the kernel would."""
    if os.geteuid() != 0:
        raise DriverError(
            f"a pool of type {definition.type} needs root: {why}",
            code=Code.OPERATION_DENIED,
            subject=subject(definition),
            hint="run tierhost as root, or use a pool of type dir",
        )


def refuse_in_use(definition: PoolDefinition, device: str) -> None:
    """Raise if somebody uses the device: makers of file systems see a mounted device, and not a mounted image file."""
    users = users_of(device)
    if users:
        raise DriverError(
            f"{device} is in use: {', '.join(users[:4])}",
            code=Code.RESOURCE_BUSY,
            subject=subject(definition),
            hint="unmount it first",
        )


def refuse_claimed(device: str, subject: str) -> None:
    """Raise if the kernel has a block device, or a partition of it, claimed: mounted, swapped to, part of something."""
    try:
        os.close(os.open(device, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise DriverError(f"cannot open {device}: {error.strerror}", code=Code.SYSTEM_ERROR, subject=subject) from None
        raise DriverError(
            f"{device}, or a part of it, is in use", code=Code.RESOURCE_BUSY, subject=subject, hint=f"lsblk {device}"
        ) from None


def refuse_content(definition: PoolDefinition, device: str, effort: Effort) -> None:
    """Raise if anything known is on the device; -p looks at the device itself, never at a cache."""
    found = run(["blkid", "-p", "-o", "export", "--", device], limit_s=effort.limit_s, statuses=(0, BLKID_NOTHING_FOUND))
    if found.status != BLKID_NOTHING_FOUND:
        what = " ".join(line for line in found.out.split() if line.startswith(("TYPE=", "PTTYPE=", "LABEL=")))
        raise DriverError(
            f"{device} is not empty ({what})",
            code=Code.STORAGE_POOL_BUILT,
            subject=subject(definition),
            hint=f"to overwrite it: tierhost call storage.storage_pool_build {definition.name} {BUILD_OVERWRITE}",
        )
