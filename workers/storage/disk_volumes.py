"""Volumes that are partitions of a disk."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar, Final

from tierhost.workers.runtime.commands import run
from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.storage.block_devices import SECTOR_BYTES, kernel_name, number_of, read_piece, wipe, write_piece
from tierhost.workers.storage.contents import refuse_claimed
from tierhost.workers.storage.file_volumes import file_look
from tierhost.workers.storage.headers import Header
from tierhost.workers.storage.looking import Look, no_volume, volume_subject
from tierhost.workers.storage.partitions import (
    LABELS,
    NUMBERS_MAX,
    find_room,
    known_partitions,
    known_room,
    partition_name,
    read_table,
)
from tierhost.workers.storage.volume_backend import Space, VolumeBackend, unsupported
from tierhost.workers.storage.volume_copying import copy_pieces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierhost.workers.storage.backend import Effort
    from tierhost.workers.storage.partitions import Room
    from tierhost.workers.storage.pool_xml import PoolDefinition
    from tierhost.workers.storage.registry import Pool
    from tierhost.workers.storage.volume_backend import Identity, Making, Row

TABLES: Final = threading.Lock()
"""One change to partition tables at a time: a partition's number depends on all others of its disk."""


class DiskVolumes(VolumeBackend):
    """Partitions, under the kernel's names. One appears when it is whole: its contents are there before it is."""

    kind: ClassVar[str] = "block"

    def path(self, definition: PoolDefinition, name: str) -> str:
        """A device node."""
        return os.path.join(definition.target, name)

    def name_at(self, definition: PoolDefinition, path: str) -> str | None:
        """What is called like a partition of the disk."""
        folder, name = os.path.split(path)
        start = partition_name(definition.source.device, 0)[:-1]
        return name if folder == definition.target and name.startswith(start) and name[len(start) :].isdecimal() else None

    def names(self, pool: Pool, effort: Effort) -> tuple[list[str], list[str]]:
        """What the kernel knows; an extended partition is none."""
        known = sorted(known_partitions(pool.definition.source.device).items(), key=lambda found: found[1])
        names = [name for name, _ in known if known_room(name) is not None]
        return names, [name for name, _ in known if name not in names]

    def look(self, pool: Pool, name: str, row: Row | None, effort: Effort) -> Look:
        """Ask the kernel. It is raw: whatever a guest wrote into its first bytes."""
        room = _room(pool, name)
        if room is None:
            raise no_volume(pool, name)
        path, size = pool.path(name), room.end - room.start
        row = row if row is not None and row["inode"] == room.identity else None
        return Look(
            name=name,
            path=path,
            header=Header("raw", size),
            size=size,
            allocation=size,
            identity=room.identity,
            kind=self.kind,
            file=file_look(os.stat(path)),
            extras=row["extras"] if row else (),
        )

    def exists(self, pool: Pool, name: str, effort: Effort) -> bool:
        """Whether the kernel knows it."""
        return name in known_partitions(pool.definition.source.device)

    def space(self, pool: Pool, effort: Effort) -> Space:
        """Of the disk; what is left may be in pieces."""
        device = pool.definition.source.device
        capacity = number_of(kernel_name(device), "size") * SECTOR_BYTES
        rooms = [room for room in map(known_room, known_partitions(device)) if room is not None]
        used = sum(room.end - room.start for room in rooms)
        return Space(capacity, used, max(0, capacity - used))

    # Making.

    def check(self, pool: Pool, making: Making) -> None:
        """Raw ones, under the name that the next partition will have."""
        wanted, source = making.wanted, pool.definition.source
        if wanted.format != "raw" or wanted.backing is not None or wanted.encryption is not None or making.preallocate:
            raise unsupported(pool, "its volumes are raw, without encryption and backing image", hint="use <format type='raw'/>")
        used = set(known_partitions(source.device).values())
        number = next((number for number in range(1, NUMBERS_MAX[source.format] + 1) if number not in used), None)
        if number is None:
            raise unsupported(pool, f"its partition table of type {source.format} is full")
        expected = partition_name(source.device, number)
        if wanted.name != expected and wanted.name not in known_partitions(source.device):
            raise DriverError(
                f"a partition cannot be called '{wanted.name[:80]}' here: the next one is '{expected}'",
                code=Code.INVALID_ARG,
                subject=volume_subject(pool, wanted.name),
                hint=f"<name>{expected}</name>",
            )

    def fill(self, pool: Pool, token: str, making: Making, effort: Effort) -> Identity:
        """Write the contents where there is room, then the table: what is cut short before that left nothing."""
        device, name, size = pool.definition.source.device, making.wanted.name, making.capacity or 0
        with _table(effort):
            table = read_table(device, effort)
            room = find_room(table, size)
            if room is None:
                raise DriverError(
                    f"there is no room for {size} bytes on {device}",
                    code=Code.OPERATION_FAILED,
                    hint=f"parted {device} print free",
                )
            original = making.original
            if original is not None:
                wipe(device, room.start, room.end - room.start, effort.deadline_s)
                copy_pieces(original, lambda offset, data: write_piece(device, room.start + offset, data), effort)
            label = "primary" if pool.definition.source.format == "dos" else name
            _parted(device, effort, "unit", "B", "mkpart", label, f"{room.start}B", f"{room.end - 1}B")
            if known_room(name) != room:
                self._take_back(pool, room, effort)
                raise DriverError(f"the kernel did not make {name} of the new partition", hint=f"parted {device} print")
        return room.identity

    def _take_back(self, pool: Pool, room: Room, effort: Effort) -> None:
        device = pool.definition.source.device
        for number, found in read_table(device, effort).partitions.items():
            if found == room:
                _parted(device, effort, "rm", str(number))

    def publish(self, pool: Pool, token: str, making: Making, effort: Effort) -> None:
        """It shows already."""

    def settle_making(self, pool: Pool, name: str, token: str, effort: Effort) -> Identity | None:
        """A partition that is there is whole."""
        room = _room(pool, name)
        return None if room is None else room.identity

    def unmake(self, pool: Pool, name: str, token: str, identity: Identity | None, effort: Effort) -> None:
        """Remove it, if it is the one."""
        room = _room(pool, name)
        if identity is not None and room is not None and room.identity == identity:
            with _table(effort):
                self._take_back(pool, room, effort)

    # Changing.

    def remove(self, pool: Pool, look: Look, effort: Effort) -> None:
        """Take it out of the table; refused while the kernel has it in use."""
        device = pool.definition.source.device
        with _table(effort):
            number = known_partitions(device).get(look.name)
            room = _room(pool, look.name)
            if number is None or room is None or room.identity != look.identity:
                return
            refuse_claimed(look.path, volume_subject(pool, look.name))
            if read_table(device, effort).partitions.get(number) != room:
                raise DriverError(f"the table of {device} and the kernel disagree", code=Code.RESOURCE_BUSY, hint="partprobe")
            _parted(device, effort, "rm", str(number))

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


def _room(pool: Pool, name: str) -> Room | None:
    return known_room(name) if name in known_partitions(pool.definition.source.device) else None


def _parted(device: str, effort: Effort, *words: str) -> None:
    keep = (effort.lock_fd,) if effort.lock_fd >= 0 else ()
    run(["parted", "-s", "-a", "none", "--", device, *words], limit_s=effort.limit_s, keep_fds=keep)


def make_table(device: str, kind: str, effort: Effort) -> None:
    """Write an empty partition table."""
    with _table(effort):
        _parted(device, effort, "mklabel", LABELS[kind])


@contextmanager
def _table(effort: Effort) -> Iterator[None]:
    if not TABLES.acquire(timeout=effort.limit_s):
        raise DriverError("another partition is being made or removed", code=Code.RESOURCE_BUSY, hint="try again")
    try:
        yield
    finally:
        TABLES.release()
