"""Pools of type disk: a block device whose partitions are the volumes. Active is what the record says, of that very disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierhost.workers.runtime.commands import run
from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.storage.backend import PoolBackend
from tierhost.workers.storage.block_devices import is_block_device, kernel_name, number_of
from tierhost.workers.storage.contents import need_root, refuse_claimed, refuse_content
from tierhost.workers.storage.directories import subject
from tierhost.workers.storage.disk_volumes import DiskVolumes, make_table
from tierhost.workers.storage.flags import BUILD_NO_OVERWRITE, BUILD_OVERWRITE
from tierhost.workers.storage.partitions import LABELS, known_partitions, read_table
from tierhost.workers.storage.source_xml import Source
from tierhost.workers.storage.xml_values import absolute_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.workers.runtime.definitions import Element
    from tierhost.workers.storage.backend import Effort, Facts
    from tierhost.workers.storage.pool_xml import PoolDefinition


class Backend(PoolBackend):
    """A disk. Which disk it was when it was started is remembered: the kernel counts them, and names come back."""

    volumes = DiskVolumes()

    def read_source(self, source: Element | None, pool: Element) -> Source:
        """Read device and kind of table."""
        if source is None:
            raise pool.bad("<source> is missing: a pool of type disk needs <source><device path='/dev/...'/></source>")
        device = source.need_child("device")
        path = absolute_path(device, device.need("path"))
        kind = source.child("format")
        return Source(path, "dos" if kind is None else kind.one_of("type", tuple(LABELS), "dos"))

    def read_target(self, target: Element | None, pool: Element, source: Source) -> str:
        """Where the kernel puts device nodes; it need not be said."""
        path = target.child("path") if target is not None else None
        if path is not None and absolute_path(path) != "/dev":
            raise path.bad("the partitions of a disk appear in /dev, and nowhere else")
        return "/dev"

    def exclusive(self, definition: PoolDefinition) -> set[str]:
        """One disk has one table."""
        return {definition.source.device}

    def start(self, definition: PoolDefinition, effort: Effort) -> Facts:
        """The disk must be there, with a table of the kind that is expected, and the kernel must know its partitions."""
        need_root(definition, "partition tables are root's")
        device = definition.source.device
        _need_disk(definition)
        table = read_table(device, effort)
        if table.label != LABELS[definition.source.format]:
            what = f"a partition table of type {table.label}" if table.label else "no partition table"
            raise DriverError(
                f"{device} has {what}, expected {definition.source.format}",
                code=Code.OPERATION_FAILED,
                subject=subject(definition),
                hint=f"to make one: tierhost call storage.storage_pool_build {definition.name} {BUILD_NO_OVERWRITE}",
            )
        if set(table.partitions) != set(known_partitions(device).values()):
            run(["partx", "--update", "--", device], limit_s=effort.limit_s, statuses=(0, 1), keep_fds=(effort.lock_fd,))
        return {"disk": number_of(kernel_name(device), "diskseq")}

    def trouble(self, definition: PoolDefinition, facts: Mapping[str, Any], effort: Effort) -> str:
        """Whether the disk is there, and still is that disk."""
        device = definition.source.device
        if not is_block_device(device) or not number_of(kernel_name(device), "size"):
            return f"its disk {device} is not there"
        if number_of(kernel_name(device), "diskseq") != facts.get("disk", 0):
            return f"{device} is another disk than the one the pool was started with"
        return ""

    def build(self, definition: PoolDefinition, flags: int, effort: Effort) -> None:
        """Write an empty table; without the flag that says so, over nothing that is there."""
        need_root(definition, "partition tables are root's")
        _need_disk(definition)
        device = definition.source.device
        refuse_claimed(device, subject(definition))
        if not flags & BUILD_OVERWRITE:
            refuse_content(definition, device, effort)
        make_table(device, definition.source.format, effort)


def _need_disk(definition: PoolDefinition) -> None:
    device = definition.source.device
    if not is_block_device(device) or not number_of(kernel_name(device), "size"):
        raise DriverError(
            f"its source {device} is no disk, or there is none in it",
            code=Code.OPERATION_FAILED,
            subject=subject(definition),
            hint="for an image file: losetup -P --find --show FILE",
        )
