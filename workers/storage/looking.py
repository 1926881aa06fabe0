"""One volume as it is now, whatever it is, and how its pool is asked for it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.storage.volume_names import is_volume_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierhost.workers.runtime.store import Store
    from tierhost.workers.storage.backend import Effort
    from tierhost.workers.storage.headers import Header
    from tierhost.workers.storage.registry import Pool
    from tierhost.workers.storage.volume_backend import Identity

TABLE: Final = "volumes"
"""Rows: what we know of a volume that it does not say itself. Bound to its identity: another file is another volume."""

VOLUMES_MAX: Final = 20_000
LIST_CHARS_MAX: Final = 2 << 20
"""Volumes that one answer can list, and characters of their names and paths: more would not fit into a message."""

BACKING_DEPTH_MAX: Final = 32


@dataclass(frozen=True, slots=True)
class FileLook:
    """What only a file or a device node has: mode, owners and times."""

    mode: int
    owner: int
    group: int
    accessed_ns: int
    modified_ns: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class Look:
    """One volume as it is now."""

    name: str
    path: str
    header: Header
    size: int
    allocation: int
    identity: Identity
    kind: str = "file"
    file: FileLook | None = None
    encryption: dict[str, str] | None = None
    extras: Sequence[str] = ()

    @property
    def backing_path(self) -> str:
        """The backing file's path; a relative one begins at the volume's directory."""
        path = self.header.backing_path
        return os.path.normpath(os.path.join(os.path.dirname(self.path), path)) if path else ""


def look(pool: Pool, name: object, rows: Store, effort: Effort) -> Look:
    """Look at one volume. Raises NO_STORAGE_VOL if the pool has none of this name."""
    if not is_volume_name(name):
        raise no_volume(pool, name)
    text = str(name)
    try:
        return pool.volumes.look(pool, text, rows.get(TABLE, pool.row_key(text)), effort)
    except OSError as error:
        raise DriverError(
            f"cannot look at {pool.path(text)}: {error.strerror}", code=Code.SYSTEM_ERROR, subject=volume_subject(pool, name)
        ) from None


def volume_names(pool: Pool, effort: Effort) -> tuple[list[str], list[str]]:
    """List a pool's volumes, and the names of what cannot be one."""
    try:
        names, skipped = pool.volumes.names(pool, effort)
    except OSError as error:
        raise DriverError(f"cannot list it: {error.strerror}", code=Code.SYSTEM_ERROR, subject=pool.subject) from None
    length = sum(map(len, names)) + sum(len(pool.path(name)) for name in names)
    if len(names) > VOLUMES_MAX or length > LIST_CHARS_MAX:
        raise DriverError(f"it has {len(names)} volumes, more than an answer can list", code=Code.OVERFLOW, subject=pool.subject)
    return names, skipped


def forget_vanished(pool: Pool, rows: Store, effort: Effort) -> None:
    """Drop the rows of volumes that somebody else removed."""
    mine = {key: pool.volumes.name_of_row(pool.definition, key) for key in rows.all(TABLE)}
    gone = [key for key, name in mine.items() if name is not None and not pool.volumes.exists(pool, name, effort)]
    if gone:
        with rows.transaction() as t:
            for key in gone:
                t.delete(TABLE, key)


def volume_subject(pool: Pool, name: object) -> str:
    """Name a volume in errors and locks."""
    return f"volume {pool.name}/{str(name)[:80]}"


def no_volume(pool: Pool, name: object) -> DriverError:
    """Make the error for a volume that is not there."""
    return DriverError(
        f"no storage volume with matching name '{str(name)[:80]}'",
        code=Code.NO_STORAGE_VOL,
        subject=pool.subject,
        hint=f"tierhost call storage.storage_vol_list {pool.name}",
    )
