"""Pools of type logical: an LVM volume group, activated while the pool is active. Needs device-mapper in the kernel."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.runtime.commands import CommandFailed
from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.storage.backend import PoolBackend
from tierhost.workers.storage.block_devices import is_block_device
from tierhost.workers.storage.contents import need_root, refuse_claimed, refuse_content
from tierhost.workers.storage.directories import subject
from tierhost.workers.storage.flags import BUILD_OVERWRITE
from tierhost.workers.storage.logical_volumes import LogicalVolumes
from tierhost.workers.storage.lvm import group_of, group_space, has_device_mapper, list_volumes, lvm, need_device_mapper
from tierhost.workers.storage.source_xml import Source
from tierhost.workers.storage.xml_values import absolute_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.workers.runtime.definitions import Element
    from tierhost.workers.storage.backend import Effort, Facts
    from tierhost.workers.storage.pool_xml import PoolDefinition

NAME: Final = re.compile(r"[A-Za-z0-9_+.][A-Za-z0-9_+.-]{0,126}\Z")


class Backend(PoolBackend):
    """A volume group. Starting and stopping it can be repeated, so what a crash cut short is simply done again."""

    volumes = LogicalVolumes()

    def read_source(self, source: Element | None, pool: Element) -> Source:
        """Read the group's name, which is the pool's if it is not said, and its devices."""
        named = source.child("name") if source is not None else None
        name = pool.need_child("name").text if named is None else named.text
        if not NAME.match(name) or name in {".", ".."}:
            raise pool.bad(f"the name {name[:80]!r} is no volume group's")
        devices = [] if source is None else list(source.children("device"))
        kind = source.child("format") if source is not None else None
        if kind is not None:
            kind.one_of("type", ("lvm2", "auto"), "lvm2")
        return Source(name=name, devices=tuple(absolute_path(device, device.need("path")) for device in devices))

    def read_target(self, target: Element | None, pool: Element, source: Source) -> str:
        """Where LVM puts device nodes; it need not be said."""
        expected = f"/dev/{source.name}"
        path = target.child("path") if target is not None else None
        if path is not None and absolute_path(path) != expected:
            raise path.bad(f"the volumes of group {source.name} appear in {expected}, and nowhere else")
        return expected

    def exclusive(self, definition: PoolDefinition) -> set[str]:
        """One group, and its devices."""
        return {f"volume group {group_of(definition)}", *definition.source.devices}

    def start(self, definition: PoolDefinition, effort: Effort) -> Facts:
        """Activate every volume of the group."""
        need_root(definition, "LVM is root's")
        need_device_mapper(definition)
        try:
            lvm(definition, effort, "vgchange", "--activate", "y", group_of(definition))
        except CommandFailed as error:
            raise _failed(definition, error) from None
        return {}

    def stop(self, definition: PoolDefinition, facts: Mapping[str, Any], effort: Effort) -> None:
        """Deactivate the group; refused while one of its volumes is open, and then all stay as they are."""
        try:
            lvm(definition, effort, "vgchange", "--activate", "n", group_of(definition))
        except CommandFailed as error:
            lvm(definition, effort, "vgchange", "--activate", "y", group_of(definition))
            raise _failed(definition, error) from None

    def trouble(self, definition: PoolDefinition, facts: Mapping[str, Any], effort: Effort) -> str:
        """Whether the group is there, and LVM can say what is in it."""
        if not has_device_mapper():
            return "logical volumes need device-mapper, and this kernel has none"
        try:
            group_space(definition, effort)
        except DriverError as error:
            return f"its volume group {group_of(definition)}: {error.text}"
        return ""

    def build(self, definition: PoolDefinition, flags: int, effort: Effort) -> None:
        """Make physical volumes of the devices, and a group of them; nothing that is there is overwritten unasked."""
        need_root(definition, "LVM is root's")
        devices = definition.source.devices
        if not devices:
            raise DriverError(
                "it names no devices to make a volume group of",
                code=Code.OPERATION_INVALID,
                subject=subject(definition),
                hint="<source><device path='/dev/...'/></source>",
            )
        for device in devices:
            if not is_block_device(device):
                raise DriverError(f"its source {device} is no block device", subject=subject(definition))
            refuse_claimed(device, subject(definition))
            if not flags & BUILD_OVERWRITE:
                refuse_content(definition, device, effort)
        for device in devices:
            lvm(definition, effort, "pvcreate", "--yes", "--force", device)
        lvm(definition, effort, "vgcreate", group_of(definition), *devices)

    def delete(self, definition: PoolDefinition, effort: Effort) -> None:
        """Remove the group and its physical volumes, if no logical volume is in it."""
        try:
            found = list_volumes(definition, effort)
        except CommandFailed as error:
            raise _failed(definition, error) from None
        if found:
            raise DriverError(
                f"there are {len(found)} volumes in it",
                code=Code.OPERATION_INVALID,
                subject=subject(definition),
                hint="delete them",
            )
        lvm(definition, effort, "vgremove", group_of(definition))
        for device in definition.source.devices:
            lvm(definition, effort, "pvremove", device)


def _failed(definition: PoolDefinition, error: CommandFailed) -> DriverError:
    missing = "not found" in error.words
    busy = "in use" in error.words or "open" in error.words
    return DriverError(
        error.text,
        code=Code.RESOURCE_BUSY if busy and not missing else error.code,
        subject=subject(definition),
        hint=f"to make it: tierhost call storage.storage_pool_build {definition.name}" if missing else "",
    )
