"""What a pool's directory shows: its volumes, and everything about one of them. Reads a stat and a header, runs nothing."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.storage.headers import Header, read_header
from tierhost.workers.storage.volume_names import is_volume_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierhost.workers.runtime.store import Store
    from tierhost.workers.storage.registry import Pool

TABLE: Final = "volumes"
"""Rows by path: what we know of a volume that its file does not say. Bound to the inode: another file is another volume."""

VOLUMES_MAX: Final = 20_000
LIST_CHARS_MAX: Final = 2 << 20
"""Volumes that one answer can list, and characters of their names and paths: more would not fit into a message."""

BACKING_DEPTH_MAX: Final = 32
BLOCK_BYTES: Final = 512
"""The unit of st_blocks, whatever the file system's block size is."""


@dataclass(frozen=True, slots=True)
class Look:
    """One volume as it is now."""

    name: str
    path: str
    header: Header
    size: int
    allocation: int
    inode: int
    mode: int
    owner: int
    group: int
    accessed_ns: int
    modified_ns: int
    changed_ns: int
    encryption: dict[str, str] | None = None
    extras: Sequence[str] = ()

    @property
    def backing_path(self) -> str:
        """The backing file's path; a relative one begins at the volume's directory."""
        path = self.header.backing_path
        return os.path.normpath(os.path.join(os.path.dirname(self.path), path)) if path else ""


def look(pool: Pool, name: object, rows: Store) -> Look:
    """Look at one volume. Raises NO_STORAGE_VOL if the pool has none of this name."""
    if not is_volume_name(name):
        raise no_volume(pool, name)
    path = pool.path(str(name))
    try:
        found = os.lstat(path)
        if not stat.S_ISREG(found.st_mode):
            raise no_volume(pool, name)
        row = row_of(rows, path, found.st_ino)
        header = read_header(path, (row["format"], row["encryption"] is not None) if row else None)
    except FileNotFoundError:
        raise no_volume(pool, name) from None
    except OSError as error:
        raise DriverError(
            f"cannot look at {path}: {error.strerror}", code=Code.SYSTEM_ERROR, subject=volume_subject(pool, name)
        ) from None
    return Look(
        name=str(name),
        path=path,
        header=header,
        size=found.st_size,
        allocation=found.st_blocks * BLOCK_BYTES,
        inode=found.st_ino,
        mode=stat.S_IMODE(found.st_mode),
        owner=found.st_uid,
        group=found.st_gid,
        accessed_ns=found.st_atime_ns,
        modified_ns=found.st_mtime_ns,
        changed_ns=found.st_ctime_ns,
        encryption=row["encryption"] if row else None,
        extras=row["extras"] if row else (),
    )


def row_of(rows: Store, path: str, inode: int) -> dict[str, Any] | None:
    """Return what is recorded of a volume, if the file is still the one we made."""
    row = rows.get(TABLE, path)
    return row if row is not None and row["inode"] == inode else None


def volume_names(pool: Pool) -> tuple[list[str], list[str]]:
    """List a pool's volumes, and the names of files that cannot be one (a symbolic link, a name that is no text)."""
    names, skipped = [], []
    try:
        with os.scandir(pool.definition.target) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.is_dir(follow_symlinks=False):
                    continue
                if entry.is_file(follow_symlinks=False) and is_volume_name(entry.name):
                    names.append(entry.name)
                else:
                    skipped.append(entry.name.encode(errors="backslashreplace").decode())
    except OSError as error:
        raise DriverError(
            f"cannot list {pool.definition.target}: {error.strerror}", code=Code.SYSTEM_ERROR, subject=pool.subject
        ) from None
    length = sum(map(len, names)) * 2 + len(names) * len(pool.definition.target)
    if len(names) > VOLUMES_MAX or length > LIST_CHARS_MAX:
        raise DriverError(f"it has {len(names)} volumes, more than an answer can list", code=Code.OVERFLOW, subject=pool.subject)
    return sorted(names), sorted(skipped)


def forget_vanished(pool: Pool, rows: Store) -> None:
    """Drop the rows of volumes whose files somebody else removed."""
    folder = pool.definition.target
    gone = [path for path in rows.all(TABLE) if os.path.dirname(path) == folder and not os.path.lexists(path)]
    if gone:
        with rows.transaction() as t:
            for path in gone:
                t.delete(TABLE, path)


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
