"""Pools that are file systems, mounted while they are active: what all of them do, wherever the file system is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from tierhost.workers.runtime.commands import CommandFailed
from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.storage.backend import PoolBackend
from tierhost.workers.storage.contents import need_root
from tierhost.workers.storage.directories import make_directory, need_directory, remove_directory, subject
from tierhost.workers.storage.file_volumes import FileVolumes
from tierhost.workers.storage.mounts import comes_from, mounts_at, unmount
from tierhost.workers.storage.state import Seen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.workers.storage.backend import Effort, Facts
    from tierhost.workers.storage.mounts import Mount
    from tierhost.workers.storage.pool_xml import PoolDefinition


class MountedBackend(PoolBackend):
    """A mount as a pool. Says what is mounted, and mounts it: `origin`, `need_source`, `mount`."""

    changes_world = True
    volumes = FileVolumes()

    def origin(self, definition: PoolDefinition) -> str:
        """Name what is mounted, as the mount table does."""
        raise NotImplementedError

    def need_source(self, definition: PoolDefinition) -> None:
        """Raise if there is nothing that could be mounted, as far as this machine knows."""

    def mount(self, definition: PoolDefinition, effort: Effort) -> None:
        """Mount it at the pool's directory, or raise."""
        raise NotImplementedError

    def is_ours(self, mount: Mount, definition: PoolDefinition, facts: Mapping[str, Any]) -> bool:
        """Whether a mount is the pool's."""
        if facts and (mount.number, mount.device) == (facts["mount"], facts["device"]):
            return True  # the very mount we made, even if its image file was moved since
        return comes_from(mount, self.origin(definition))

    def seen(self, definition: PoolDefinition, facts: Mapping[str, Any]) -> Seen:
        """Look into the mount table; neither directory nor device is touched, since they may hang."""
        found = mounts_at(definition.target)
        if not found:
            return Seen.ABSENT
        return Seen.OURS if self.is_ours(found[-1], definition, facts) else Seen.FOREIGN

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
        self.need_source(definition)
        seen = self.seen(definition, {})
        if seen is Seen.FOREIGN:
            raise DriverError(
                f"{mounts_at(definition.target)[-1].source} is mounted at {definition.target} already",
                code=Code.RESOURCE_BUSY,
                subject=subject(definition),
                hint=f"unmount it, if nobody needs it there: umount {definition.target}",
            )
        if seen is Seen.ABSENT:
            self.mount(definition, effort)
        facts = self.find_facts(definition)
        if not facts:
            raise DriverError(f"mount succeeded, and nothing is mounted at {definition.target}", subject=subject(definition))
        return facts

    def stop(self, definition: PoolDefinition, facts: Mapping[str, Any], effort: Effort) -> None:
        """Unmount it; while anybody has a file open in it, the kernel refuses."""
        found = mounts_at(definition.target)
        ours = [mount for mount in found if self.is_ours(mount, definition, facts)]
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
                return f"{self.origin(definition)} is not mounted at {definition.target} any more"
            case Seen.FOREIGN:
                return f"{mounts_at(definition.target)[-1].source}, which is not the pool's, is mounted at {definition.target}"
            case _:
                return ""

    def build(self, definition: PoolDefinition, flags: int, effort: Effort) -> None:
        """Make the directory."""
        make_directory(definition)

    def delete(self, definition: PoolDefinition, effort: Effort) -> None:
        """Remove the mount point, if it is empty; what is on the device stays."""
        remove_directory(definition)
