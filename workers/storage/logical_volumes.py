"""Volumes that are logical volumes of an LVM group."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar

from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.storage.block_devices import read_piece, wipe, write_piece
from tierhost.workers.storage.contents import refuse_claimed
from tierhost.workers.storage.file_volumes import file_look
from tierhost.workers.storage.headers import Header
from tierhost.workers.storage.looking import Look, no_volume, volume_subject
from tierhost.workers.storage.lvm import TAG, group_of, group_space, list_volumes, lvm, node
from tierhost.workers.storage.volume_backend import Space, VolumeBackend, unsupported
from tierhost.workers.storage.volume_copying import copy_pieces

if TYPE_CHECKING:
    from tierhost.workers.storage.backend import Effort
    from tierhost.workers.storage.lvm import LogicalVolume
    from tierhost.workers.storage.pool_xml import PoolDefinition
    from tierhost.workers.storage.registry import Pool
    from tierhost.workers.storage.volume_backend import Identity, Making, Row

TOKEN_BYTES = 6


class LogicalVolumes(VolumeBackend):
    """Logical volumes. One that is not whole yet is called by its token, and tagged."""

    kind: ClassVar[str] = "block"

    def path(self, definition: PoolDefinition, name: str) -> str:
        """A device node in the group's directory."""
        return node(definition, name)

    def name_at(self, definition: PoolDefinition, path: str) -> str | None:
        """What is in the group's directory."""
        folder, name = os.path.split(path)
        return name if folder == definition.target and name else None

    # Looking.

    def names(self, pool: Pool, effort: Effort) -> tuple[list[str], list[str]]:
        """All that can be opened; thin pools and what is half made cannot."""
        found = list_volumes(pool.definition, effort)
        names = [volume.name for volume in found if _is_one(volume)]
        return sorted(names), sorted(volume.name for volume in found if not _is_one(volume) and TAG not in volume.tags)

    def look(self, pool: Pool, name: str, row: Row | None, effort: Effort) -> Look:
        """Ask LVM. It is raw: whatever a guest wrote into its first bytes."""
        found = _find(pool, name, effort)
        if found is None or not _is_one(found):
            raise no_volume(pool, name)
        path = pool.path(name)
        row = row if row is not None and row["inode"] == found.uuid else None
        return Look(
            name=name,
            path=path,
            header=Header("raw", found.size),
            size=found.size,
            allocation=found.size,
            identity=found.uuid,
            kind=self.kind,
            file=file_look(os.stat(path)) if os.path.exists(path) else None,
            extras=row["extras"] if row else (),
        )

    def exists(self, pool: Pool, name: str, effort: Effort) -> bool:
        """Whether anything in the group is called so."""
        return _find(pool, name, effort) is not None

    def space(self, pool: Pool, effort: Effort) -> Space:
        """Of the group."""
        size, free = group_space(pool.definition, effort)
        return Space(size, size - free, free)

    # Making.

    def check(self, pool: Pool, making: Making) -> None:
        """Only raw ones, linear."""
        wanted = making.wanted
        if wanted.format != "raw" or wanted.backing is not None or wanted.encryption is not None or making.preallocate:
            raise unsupported(pool, "its volumes are raw, without encryption and backing image", hint="use <format type='raw'/>")
        if not all(sign.isascii() and (sign.isalnum() or sign in "+_.-") for sign in wanted.name) or wanted.name[0] == "-":
            raise DriverError(
                "a logical volume's name has letters, digits and +_.- only",
                code=Code.INVALID_ARG,
                subject=volume_subject(pool, wanted.name),
            )

    def token(self, pool: Pool) -> str:
        """Another name."""
        return f"tierhost.{os.urandom(TOKEN_BYTES).hex()}"

    def fill(self, pool: Pool, token: str, making: Making, effort: Effort) -> Identity:
        """Make it under its other name, all zeros or with its contents."""
        definition, size = pool.definition, making.capacity or 0
        words = ("--yes", "--wipesignatures", "n", "--addtag", TAG, "--name", token, "--size", f"{max(size, 1)}b")
        lvm(definition, effort, "lvcreate", *words, group_of(definition))
        found = _find(pool, token, effort)
        if found is None:
            raise DriverError("lvcreate succeeded, and there is no such volume", code=Code.OPERATION_FAILED)
        if making.original is not None:
            path = pool.path(token)
            wipe(path, 0, found.size, effort.deadline_s)
            copy_pieces(making.original, lambda offset, data: write_piece(path, offset, data), effort)
        return found.uuid

    def publish(self, pool: Pool, token: str, making: Making, effort: Effort) -> None:
        """Take off the tag, then give it its name: LVM never gives a name twice."""
        group = group_of(pool.definition)
        lvm(pool.definition, effort, "lvchange", "--deltag", TAG, f"{group}/{token}")
        lvm(pool.definition, effort, "lvrename", group, token, making.wanted.name)

    def settle_making(self, pool: Pool, name: str, token: str, effort: Effort) -> Identity | None:
        """What has its name, when nothing has the other, is whole; what has the other name is removed."""
        half_made = _find(pool, token, effort)
        if half_made is not None:
            self._remove(pool, token, effort)
            return None
        found = _find(pool, name, effort)
        return None if found is None else found.uuid

    def unmake(self, pool: Pool, name: str, token: str, identity: Identity | None, effort: Effort) -> None:
        """Remove it under either name, if it is the one."""
        for called in (token, name):
            found = _find(pool, called, effort)
            if found is not None and (called == token or found.uuid == identity):
                self._remove(pool, called, effort)

    # Changing.

    def remove(self, pool: Pool, look: Look, effort: Effort) -> None:
        """Remove it; LVM refuses while it is open."""
        found = _find(pool, look.name, effort)
        if found is not None and found.uuid == look.identity:
            if os.path.exists(look.path):
                refuse_claimed(look.path, volume_subject(pool, look.name))
            self._remove(pool, look.name, effort)

    @staticmethod
    def _remove(pool: Pool, name: str, effort: Effort) -> None:
        lvm(pool.definition, effort, "lvremove", "--yes", f"{group_of(pool.definition)}/{name}")

    def resize(self, pool: Pool, look: Look, capacity: int, effort: Effort, *, allocate: bool) -> None:
        """Give it another size, in whole extents; whether it may shrink was asked before."""
        lvm(pool.definition, effort, "lvresize", "--force", "--size", f"{capacity}b", f"{group_of(pool.definition)}/{look.name}")

    def wipe(self, pool: Pool, look: Look, effort: Effort) -> None:
        """Overwrite all of it; refused while the kernel has it in use."""
        refuse_claimed(look.path, volume_subject(pool, look.name))
        wipe(look.path, 0, look.size, effort.deadline_s)

    def read(self, pool: Pool, look: Look, offset: int, length: int, effort: Effort) -> bytes:
        """Read a piece."""
        return read_piece(look.path, offset, length)

    def write(self, pool: Pool, look: Look, offset: int, data: bytes, effort: Effort) -> None:
        """Write a piece."""
        write_piece(look.path, offset, data)


def _is_one(volume: LogicalVolume) -> bool:
    return volume.kind not in {"t", "V", "d", "D"} and TAG not in volume.tags


def _find(pool: Pool, name: str, effort: Effort) -> LogicalVolume | None:
    return next((volume for volume in list_volumes(pool.definition, effort) if volume.name == name), None)
