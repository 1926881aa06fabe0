"""Pools of type fs: a file system on a block device or in an image file, mounted while the pool is active."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from tierhost.workers.runtime.commands import CommandFailed, run
from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.runtime.definitions import Unsupported
from tierhost.workers.storage.contents import need_root, refuse_content, refuse_in_use
from tierhost.workers.storage.directories import make_directory, subject
from tierhost.workers.storage.flags import BUILD_NO_OVERWRITE, BUILD_OVERWRITE
from tierhost.workers.storage.mounted import MountedBackend
from tierhost.workers.storage.mounts import mount
from tierhost.workers.storage.source_xml import Source
from tierhost.workers.storage.xml_values import absolute_path

if TYPE_CHECKING:
    from tierhost.workers.runtime.definitions import Element
    from tierhost.workers.storage.backend import Effort
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


class Backend(MountedBackend):
    """A file system as a pool."""

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

    def origin(self, definition: PoolDefinition) -> str:
        """The device, or the image file."""
        return definition.source.device

    def need_source(self, definition: PoolDefinition) -> None:
        """Raise if there is nothing that could be mounted."""
        path = Path(definition.source.device)
        if not (path.is_file() or path.is_block_device()):
            raise DriverError(
                f"its source {path} is neither a block device nor an image file",
                code=Code.OPERATION_FAILED,
                subject=subject(definition),
                hint=f"for an image file: truncate -s 1G {path}",
            )

    def mount(self, definition: PoolDefinition, effort: Effort) -> None:
        """Mount it; an image over a loop device that goes with the mount."""
        source = definition.source
        try:
            mount(source.device, definition.target, source.format, limit_s=effort.limit_s, keep_fds=(effort.lock_fd,))
        except CommandFailed as error:
            raise DriverError(
                error.text,
                subject=subject(definition),
                hint=f"to make a file system: tierhost call storage.storage_pool_build {definition.name} {BUILD_NO_OVERWRITE}",
            ) from None

    def build(self, definition: PoolDefinition, flags: int, effort: Effort) -> None:
        """Make the directory, and with a flag the file system."""
        make_directory(definition)
        if not flags & (BUILD_OVERWRITE | BUILD_NO_OVERWRITE):
            return  # libvirt's: without a flag only the directory is made
        need_root(definition, "only root may mount")
        self.need_source(definition)
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
