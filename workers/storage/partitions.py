"""A disk's partition table: what parted says of it, what the kernel shows of it, and where there is room for one more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tierhost.workers.runtime.commands import CommandFailed, run
from tierhost.workers.storage.block_devices import SECTOR_BYTES, SYS_BLOCK, kernel_name, number_of

if TYPE_CHECKING:
    from tierhost.workers.storage.backend import Effort

ALIGNMENT: Final = 1 << 20
"""Where partitions begin, as everybody makes them."""

LABELS: Final = {"dos": "msdos", "gpt": "gpt"}
"""libvirt's names of partition tables, and parted's."""

NUMBERS_MAX: Final = {"dos": 4, "gpt": 128}
FREE: Final = "free"
UNRECOGNISED: Final = "unrecognised disk label"
EXTENDED_SECTORS_MAX: Final = 2
"""The kernel shows of an extended partition no more than this: nobody shall write into it."""


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes from `start` to before `end`."""

    start: int
    end: int

    @property
    def identity(self) -> str:
        """What tells a partition from another one of its number."""
        return f"{self.start}+{self.end - self.start}"


@dataclass(frozen=True, slots=True)
class Table:
    """A partition table: parted's name for its kind (nothing: there is none), partitions by number, and what is free."""

    label: str
    partitions: dict[int, Room]
    free: tuple[Room, ...]


def parse_table(text: str) -> Table:
    """Read what `parted -m unit B print free` says."""
    label, partitions, free = "", {}, []
    for line in text.splitlines():
        fields = line.removesuffix(";").split(":")
        if fields[0].startswith("/"):
            label = fields[5]
        elif fields[0].isdecimal() and len(fields) > 4:  # noqa: PLR2004  # number, start, end, size, file system or "free"
            room = Room(_bytes(fields[1]), _bytes(fields[2]) + 1)
            if fields[4] == FREE:
                free.append(room)
            else:
                partitions[int(fields[0])] = room
    return Table("" if label in {"unknown", "loop"} else label, partitions, tuple(free))


def _bytes(field: str) -> int:
    return int(field.removesuffix("B"))


def read_table(device: str, effort: Effort) -> Table:
    """Ask parted. A disk without a table has one without a kind."""
    try:
        found = run(["parted", "-s", "-m", "--", device, "unit", "B", "print", FREE], limit_s=effort.limit_s)
    except CommandFailed as error:
        if UNRECOGNISED in error.words:
            return Table("", {}, ())
        raise
    return parse_table(found.out)


def find_room(table: Table, length: int) -> Room | None:
    """Find the smallest free room that takes `length` bytes from an aligned start; None if there is none."""
    whole = -(-length // SECTOR_BYTES) * SECTOR_BYTES
    starts = [(room.end - room.start, -(-room.start // ALIGNMENT) * ALIGNMENT, room.end) for room in table.free]
    fitting = [(size, start) for size, start, end in starts if start + whole <= end]
    return None if not fitting or not whole else Room(min(fitting)[1], min(fitting)[1] + whole)


def partition_name(device: str, number: int) -> str:
    """Return what the kernel calls a partition."""
    disk = kernel_name(device)
    return f"{disk}{'p' if disk[-1:].isdecimal() else ''}{number}"


def known_partitions(device: str) -> dict[str, int]:
    """Return the partitions that the kernel knows of a disk: numbers by name."""
    disk = SYS_BLOCK / kernel_name(device)
    return {path.parent.name: int(path.read_text()) for path in disk.glob("*/partition")}


def known_room(name: str) -> Room | None:
    """Return where the kernel has a partition; None if there is none, or it is only a shell for others."""
    sectors = number_of(name, "size")
    start = number_of(name, "start") * SECTOR_BYTES
    return None if sectors <= EXTENDED_SECTORS_MAX else Room(start, start + sectors * SECTOR_BYTES)
