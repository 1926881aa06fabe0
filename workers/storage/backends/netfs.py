"""Pools of type netfs: a directory of another machine, mounted while the pool is active: NFS, CIFS, or Gluster over FUSE."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.runtime.commands import CommandFailed, run
from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.storage.directories import subject
from tierhost.workers.storage.mounted import MountedBackend
from tierhost.workers.storage.mounts import OPTIONS
from tierhost.workers.storage.source_xml import Source, checked_text, read_hosts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.workers.runtime.definitions import Element
    from tierhost.workers.storage.backend import Effort
    from tierhost.workers.storage.mounts import Mount
    from tierhost.workers.storage.pool_xml import PoolDefinition

FILESYSTEMS: Final = Path("/proc/filesystems")
FORMATS: Final = ("nfs", "cifs", "glusterfs")
PACKAGES: Final = {"nfs": "nfs-common", "cifs": "cifs-utils", "glusterfs": "glusterfs-client"}
KERNEL_NEEDS: Final = {"nfs": ("nfs", "nfs4"), "cifs": ("cifs", "smb3"), "glusterfs": ("fuse",)}
"""Which of the kernel's file systems a format needs: one of these."""

UNSUPPORTED: Final = ("unknown filesystem type", "No such device", "not supported by kernel", "/dev/fuse")
VERSION: Final = re.compile(r"[0-9](\.[0-9])?\Z")


class Backend(MountedBackend):
    """A mount from another machine. A server that is silent hangs whoever touches its files, and no call but theirs."""

    def read_source(self, source: Element | None, pool: Element) -> Source:
        """Read server, directory there, and kind."""
        if source is None:
            raise pool.bad("<source> is missing: it needs <host name='...'/> and <dir path='...'/>")
        hosts = read_hosts(source)
        if len(hosts) > 1:
            raise source.bad(f"there are {len(hosts)} <host> elements, expected one")
        folder = source.need_child("dir")
        path = checked_text(folder, folder.need("path"), "path")
        found = source.child("format")
        kind = "nfs" if found is None else found.one_of("type", ("auto", *FORMATS), "nfs")
        protocol = source.child("protocol")
        version = "" if protocol is None else protocol.need("ver")
        if protocol is not None and (kind not in {"nfs", "auto"} or not VERSION.match(version)):
            raise protocol.bad(f"ver is {version[:20]!r}: the version of NFS, 4.2, say, and of nothing else")
        # libvirt's "auto" is what NFS servers get by default.
        return Source(format="nfs" if kind == "auto" else kind, hosts=hosts, directory=path, name=version)

    def exclusive(self, definition: PoolDefinition) -> set[str]:
        """One directory there is mounted by one pool, at one place."""
        return {definition.target, f"{definition.source.format} {self.origin(definition)}"}

    def origin(self, definition: PoolDefinition) -> str:
        """As mount writes it."""
        source = definition.source
        host = source.hosts[0].name
        if source.format == "cifs":
            return f"//{host}/{source.directory.strip('/')}"
        address = f"[{host}]" if ":" in host and not host.startswith("[") else host
        if source.format == "glusterfs":
            return f"{address}:/{source.directory.strip('/')}"
        return f"{address}:{source.directory}"

    def is_ours(self, mount: Mount, definition: PoolDefinition, facts: Mapping[str, Any]) -> bool:
        """Whether a mount is the pool's. Names of servers are not looked up, and no path is followed: both may hang."""
        if facts and (mount.number, mount.device) == (facts["mount"], facts["device"]):
            return True
        return mount.source.rstrip("/") == self.origin(definition).rstrip("/")

    def need_source(self, definition: PoolDefinition) -> None:
        """The kernel must know the kind; where it may load a module for it, mount itself finds out."""
        kind = definition.source.format
        if kind == "glusterfs" and not os.path.exists("/dev/fuse"):
            raise _unsupported(definition)

    def mount(self, definition: PoolDefinition, effort: Effort) -> None:
        """Mount it; the program for its kind is another package's."""
        source = definition.source
        options = [OPTIONS]
        options += ["port=" + str(source.hosts[0].port)] if source.hosts[0].port and source.format != "glusterfs" else []
        options += [f"vers={source.name}"] if source.name else []
        options += ["guest"] if source.format == "cifs" else []
        command = ["mount", "-t", source.format, "-o", ",".join(options), "--", self.origin(definition), definition.target]
        try:
            run(command, limit_s=effort.limit_s, keep_fds=(effort.lock_fd,))
        except CommandFailed as error:
            if any(words in error.words for words in UNSUPPORTED) or not is_known_to_kernel(source.format):
                raise _unsupported(definition) from None
            install = f"apt-get install {PACKAGES[source.format]}" if "mount.<type>" in error.words else ""
            hint = install or f"is {source.hosts[0].name} running, and does it export {source.directory}?"
            raise DriverError(error.text, subject=subject(definition), hint=hint) from None


def is_known_to_kernel(kind: str) -> bool:
    """Whether the kernel has a file system now."""
    known = {line.split()[-1] for line in FILESYSTEMS.read_text().splitlines() if line.strip()}
    return any(name in known for name in KERNEL_NEEDS[kind])


def _unsupported(definition: PoolDefinition) -> DriverError:
    kind = definition.source.format
    needs = KERNEL_NEEDS[kind][0]
    return DriverError(
        f"file systems of type {kind} are not supported by this kernel",
        code=Code.OPERATION_UNSUPPORTED,
        subject=subject(definition),
        hint=f"modprobe {needs}, or a kernel that has it; the program: apt-get install {PACKAGES[kind]}",
    )
