"""Volumes that are files in the pool's directory: raw, qcow2, or encrypted with LUKS."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, ClassVar, Final

from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.storage import files, images
from tierhost.workers.storage.headers import read_header
from tierhost.workers.storage.looking import FileLook, Look, no_volume, volume_subject
from tierhost.workers.storage.state import VolumeAct, VolumeSettlement, settle_volume
from tierhost.workers.storage.volume_backend import Space, VolumeBackend
from tierhost.workers.storage.volume_copying import copy_pieces
from tierhost.workers.storage.volume_names import is_volume_name

if TYPE_CHECKING:
    from tierhost.workers.storage.backend import Effort
    from tierhost.workers.storage.pool_xml import PoolDefinition
    from tierhost.workers.storage.registry import Pool
    from tierhost.workers.storage.volume_backend import Identity, Making, Row

BLOCK_BYTES: Final = 512
"""The unit of st_blocks, whatever the file system's block size is."""

READABLE_BY_PROGRAMS: Final = ("file", "block")
"""Kinds of volume that qemu-img opens by their path."""


class FileVolumes(VolumeBackend):
    """Files. One that is not whole yet has a hidden name, which is its token."""

    kind: ClassVar[str] = "file"

    def path(self, definition: PoolDefinition, name: str) -> str:
        """A file in the pool's directory."""
        return os.path.join(definition.target, name)

    def name_at(self, definition: PoolDefinition, path: str) -> str | None:
        """What is directly in the directory."""
        folder, name = os.path.split(path)
        return name if folder == definition.target and name else None

    def row_key(self, definition: PoolDefinition, name: str) -> str:
        """The path: whatever the pool is called, the file is that one."""
        return self.path(definition, name)

    def name_of_row(self, definition: PoolDefinition, key: str) -> str | None:
        """As a path."""
        return self.name_at(definition, key)

    # Looking.

    def names(self, pool: Pool, effort: Effort) -> tuple[list[str], list[str]]:
        """Regular files; a symbolic link, or a name that is no text, cannot be one."""
        names, skipped = [], []
        with os.scandir(pool.definition.target) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.is_dir(follow_symlinks=False):
                    continue
                if entry.is_file(follow_symlinks=False) and is_volume_name(entry.name):
                    names.append(entry.name)
                else:
                    skipped.append(entry.name.encode(errors="backslashreplace").decode())
        return sorted(names), sorted(skipped)

    def look(self, pool: Pool, name: str, row: Row | None, effort: Effort) -> Look:
        """Read a stat and a header, run nothing."""
        path = pool.path(name)
        try:
            found = os.lstat(path)
            if not stat.S_ISREG(found.st_mode):
                raise no_volume(pool, name)
            row = row if row is not None and row["inode"] == found.st_ino else None
            header = read_header(path, (row["format"], row["encryption"] is not None) if row else None)
        except FileNotFoundError:
            raise no_volume(pool, name) from None
        return Look(
            name=name,
            path=path,
            header=header,
            size=found.st_size,
            allocation=found.st_blocks * BLOCK_BYTES,
            identity=found.st_ino,
            file=file_look(found),
            encryption=row["encryption"] if row else None,
            extras=row["extras"] if row else (),
        )

    def exists(self, pool: Pool, name: str, effort: Effort) -> bool:
        """Whatever it is."""
        return os.path.lexists(pool.path(name))

    def space(self, pool: Pool, effort: Effort) -> Space:
        """Ask the file system. This cannot be given a deadline: a hung one hangs this thread, and no other."""
        found = os.statvfs(pool.definition.target)
        capacity, free = found.f_blocks * found.f_frsize, found.f_bfree * found.f_frsize
        return Space(capacity, capacity - free, free)

    # Making.

    def check(self, pool: Pool, making: Making) -> None:
        """All that the XML allows; metadata is set aside for qcow2 only."""
        if making.preallocate and making.wanted.format != "qcow2":
            raise DriverError(
                "only a qcow2 volume has metadata to set aside",
                code=Code.INVALID_ARG,
                subject=volume_subject(pool, making.wanted.name),
            )

    def token(self, pool: Pool) -> str:
        """A hidden path."""
        return pool.path(files.half_made_name())

    def fill(self, pool: Pool, token: str, making: Making, effort: Effort) -> Identity:
        """Make the file, and copy into it."""
        _make_empty(token, making, effort)
        original = making.original
        if original is None:
            pass
        elif original.look.kind in READABLE_BY_PROGRAMS:
            target = images.Image(token, making.wanted.format, making.key)
            images.copy(images.Image(original.look.path, original.look.header.format, original.key), target, effort)
        elif making.wanted.format == "raw" and making.key is None:
            copy_pieces(original, lambda offset, data: files.write_piece(token, offset, data, durable=False), effort)
        else:
            raise DriverError(
                f"from a {original.look.kind} volume only a raw one can be made, without encryption",
                code=Code.OPERATION_UNSUPPORTED,
            )
        return os.lstat(token).st_ino

    def publish(self, pool: Pool, token: str, making: Making, effort: Effort) -> None:
        """Give the file its name; never over a file that is there."""
        files.publish(token, pool.path(making.wanted.name), making.wanted.permissions)

    def settle_making(self, pool: Pool, name: str, token: str, effort: Effort) -> Identity | None:
        """Whole is what has the name and is the hidden file, or what has the name when that is gone."""
        path = pool.path(name)
        there, half_made = _inode(path), _inode(token)
        settlement = settle_volume(
            VolumeAct.MAKE,
            half_made=half_made is not None,
            there=there is not None,
            as_wanted=there is not None and there == half_made,
        )
        files.remove(token)
        return there if settlement is VolumeSettlement.COMPLETE else None

    def unmake(self, pool: Pool, name: str, token: str, identity: Identity | None, effort: Effort) -> None:
        """Remove both names of it; a file of that name that is not it stays."""
        if identity is not None and _inode(pool.path(name)) == identity:
            files.remove(pool.path(name))
        files.remove(token)

    # Changing.

    def remove(self, pool: Pool, look: Look, effort: Effort) -> None:
        """Remove the file."""
        files.remove(look.path)

    def resize(self, pool: Pool, look: Look, capacity: int, effort: Effort, *, allocate: bool) -> None:
        """A raw file is as long as its payload and what is before it."""
        if look.header.format == "raw":
            files.set_size(look.path, capacity + look.header.payload_offset, allocate=allocate)
        else:
            images.resize_qcow2(look.path, capacity, shrink=capacity < look.header.capacity, effort=effort)

    def wipe(self, pool: Pool, look: Look, effort: Effort) -> None:
        """Overwrite what is allocated."""
        files.wipe(look.path, effort.deadline_s)

    def read(self, pool: Pool, look: Look, offset: int, length: int, effort: Effort) -> bytes:
        """Read a piece of the file."""
        return files.read_piece(look.path, offset, length)

    def write(self, pool: Pool, look: Look, offset: int, data: bytes, effort: Effort) -> None:
        """Write a piece of the file."""
        files.write_piece(look.path, offset, data)


def file_look(found: os.stat_result) -> FileLook:
    """Keep what a stat says and only files and device nodes have."""
    return FileLook(
        stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, found.st_atime_ns, found.st_mtime_ns, found.st_ctime_ns
    )


def _make_empty(path: str, making: Making, effort: Effort) -> None:
    wanted = making.wanted
    if wanted.format == "qcow2":
        if wanted.backing is not None and not os.path.exists(wanted.backing.path):
            raise DriverError(f"its backing image {wanted.backing.path} is not there", code=Code.NO_STORAGE_VOL)
        options = ("preallocation=metadata",) if making.preallocate else ()
        images.make_qcow2(path, making.capacity, wanted.backing, (*wanted.qcow2_options, *options), effort)
        return
    size = making.capacity or 0
    # libvirt's rule: what does not say how much to set aside gets all of it.
    allocation = size if wanted.allocation is None else wanted.allocation
    if wanted.encryption is not None and making.key is not None:
        images.make_luks(path, size, allocation, wanted.encryption, making.key, making.luks_iterations, effort)
    else:
        images.make_raw(path, size, allocation)


def _inode(path: str) -> int | None:
    try:
        return os.lstat(path).st_ino
    except FileNotFoundError:
        return None
