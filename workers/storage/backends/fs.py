"""Pools of type fs: a file system on a block device or in an image file, mounted while the pool is active."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.runtime.commands import CommandFailed, run
from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.runtime.definitions import Unsupported
from tierhost.workers.storage.backend import PoolBackend
from tierhost.workers.storage.contents import need_root, refuse_content, refuse_in_use
from tierhost.workers.storage.directories import make_directory, need_directory, remove_directory, subject
from tierhost.workers.storage.file_volumes import FileVolumes
from tierhost.workers.storage.flags import BUILD_NO_OVERWRITE, BUILD_OVERWRITE
from tierhost.workers.storage.mounts import comes_from, mount, mounts_at, unmount
from tierhost.workers.storage.source_xml import Source
from tierhost.workers.storage.state import Seen
from tierhost.workers.storage.xml_values import absolute_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.workers.runtime.definitions import Element
    from tierhost.workers.storage.backend import Effort, Facts
    from tierhost.workers.storage.mounts import Mount
    from tierhost.workers.storage.pool_xml import PoolDefinition

MAKERS: Final[dict[str, tuple[str, ...]]] = {
    "ext2": ("mkfs.ext2", "-q", "-F"),
    "ext3": ("mkfs.ext3", "-q", "-F"),
    "ext4": ("mkfs.ext4", "-q", "-F"),
    "xfs": ("mkfs.xfs", "-q", "-f"),
    "btrfs": ("mkfs.btrfs", "-q", "-f"),
}
"""How to make each file system without a question asked: whether one is there already we have looked at ourselves."""

ONLY_MOUNTED: Final = ("auto", "ufs", "iso9660", "udf", "gfs", "gfs2", "vfat", "hfs+", "ocfs2", "vmfs")
"""libvirt's other words for a file system: we mount them and cannot make them."""


class Backend(PoolBackend):
    """A file system as a pool."""

    changes_world = True
    volumes = FileVolumes()

    def read_source(self, source: Element | None, pool: Element) -> Source:
        """Read device and format; both decide what is mounted."""
        if source is None:
            raise pool.bad("<source> is missing: a pool of type fs needs <source><device path='...'/></source>")
        device = source.need_child("device")
        path = absolute_path(device, device.need("path"))
        kind = source.child("format")
        return Source(path, "auto" if kind is None else kind.one_of("type", (*MAKERS, *ONLY_MOUNTED), "auto"))

    def exclusive(self, definition: PoolDefinition) -> set[str]:
        """One device is mounted by one pool, at one place."""
        return {definition.target, definition.source.device}

    def seen(self, definition: PoolDefinition, facts: Mapping[str, Any]) -> Seen:
        """Look into the mount table; neither directory nor device is touched, since they may hang."""
        found = mounts_at(definition.target)
        if not found:
            return Seen.ABSENT
        return Seen.OURS if _is_ours(found[-1], definition, facts) else Seen.FOREIGN

    def find_facts(self, definition: PoolDefinition) -> Facts:
        """Remember which mount it is: its image file may be moved while it is mounted."""
        found = mounts_at(definition.target)
        return {"mount": found[-1].number, "device": found[-1].device, "source": found[-1].source} if found else {}

    def start(self, definition: PoolDefinition, effort: Effort) -> Facts:
        """Mount it. One that is mounted already, by hand or by a start cut short, is taken over."""
        need_root(definition, "only root may mount")
        need_directory(definition)
        if os.path.islink(definition.target):
            raise DriverError(
                f"{definition.target} is a symbolic link, and a mount would be somewhere else", subject=subject(definition)
            )
        _need_source(definition)
        seen = self.seen(definition, {})
        if seen is Seen.FOREIGN:
            raise DriverError(
                f"{mounts_at(definition.target)[-1].source} is mounted at {definition.target} already",
                code=Code.RESOURCE_BUSY,
                subject=subject(definition),
                hint=f"unmount it, if nobody needs it there: umount {definition.target}",
            )
        if seen is Seen.ABSENT:
            _mount(definition, effort)
        facts = self.find_facts(definition)
        if not facts:
            raise DriverError(f"mount succeeded, and nothing is mounted at {definition.target}", subject=subject(definition))
        return facts

    def stop(self, definition: PoolDefinition, facts: Mapping[str, Any], effort: Effort) -> None:
        """Unmount it; while anybody has a file open in it, the kernel refuses."""
        found = mounts_at(definition.target)
        ours = [mount for mount in found if _is_ours(mount, definition, facts)]
        if not ours:
            return  # somebody unmounted it; what may be mounted there now is not ours to touch
        if found[-1] not in ours:
            raise DriverError(
                f"{found[-1].source} is mounted over it at {definition.target}",
                code=Code.RESOURCE_BUSY,
                subject=subject(definition),
            )
        try:
            unmount(definition.target, limit_s=effort.limit_s, keep_fds=(effort.lock_fd,))
        except CommandFailed as error:
            if self.seen(definition, facts) is not Seen.OURS:
                return  # it said no and did it: a mount table it could not write, say
            busy = "busy" in error.words
            raise DriverError(
                error.text,
                code=Code.RESOURCE_BUSY if busy else error.code,
                subject=subject(definition),
                hint=f"who uses it: fuser -vm {definition.target}" if busy else "",
            ) from None

    def trouble(self, definition: PoolDefinition, facts: Mapping[str, Any], effort: Effort) -> str:
        """Whether the mount is there, and visible."""
        match self.seen(definition, facts):
            case Seen.ABSENT:
                return f"{definition.source.device} is not mounted at {definition.target} any more"
            case Seen.FOREIGN:
                return f"{mounts_at(definition.target)[-1].source}, which is not the pool's, is mounted at {definition.target}"
            case _:
                return ""

    def build(self, definition: PoolDefinition, flags: int, effort: Effort) -> None:
        """Make the directory, and with a flag the file system."""
        make_directory(definition)
        if not flags & (BUILD_OVERWRITE | BUILD_NO_OVERWRITE):
            return  # libvirt's: without a flag only the directory is made
        need_root(definition, "only root may mount")
        _need_source(definition)
        maker = MAKERS.get(definition.source.format)
        if maker is None:
            raise Unsupported(
                f"cannot make a file system of format '{definition.source.format}'",
                subject=subject(definition),
                hint=f"write <format type='...'/> with one of {', '.join(MAKERS)}",
            )
        refuse_in_use(definition, definition.source.device)
        if flags & BUILD_NO_OVERWRITE:
            refuse_content(definition, definition.source.device, effort)
        run([*maker, definition.source.device], limit_s=effort.limit_s, keep_fds=(effort.lock_fd,))

    def delete(self, definition: PoolDefinition, effort: Effort) -> None:
        """Remove the mount point, if it is empty; what is on the device stays."""
        remove_directory(definition)


def _need_source(definition: PoolDefinition) -> None:
    path = Path(definition.source.device)
    if not (path.is_file() or path.is_block_device()):
        raise DriverError(
            f"its source {path} is neither a block device nor an image file",
            code=Code.OPERATION_FAILED,
            subject=subject(definition),
            hint=f"for an image file: truncate -s 1G {path}",
        )


def _mount(definition: PoolDefinition, effort: Effort) -> None:
    source = definition.source
    try:
        mount(source.device, definition.target, source.format, limit_s=effort.limit_s, keep_fds=(effort.lock_fd,))
    except CommandFailed as error:
        raise DriverError(
            error.text,
            subject=subject(definition),
            hint=f"to make a file system: tierhost call storage.storage_pool_build {definition.name} {BUILD_NO_OVERWRITE}",
        ) from None


def _is_ours(mount: Mount, definition: PoolDefinition, facts: Mapping[str, Any]) -> bool:
    if facts and (mount.number, mount.device) == (facts["mount"], facts["device"]):
        return True  # the very mount we made, even if its image file was moved since
    return comes_from(mount, definition.source.device)
