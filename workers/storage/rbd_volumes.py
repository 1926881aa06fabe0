"""Volumes that are images of a Ceph pool: raw, and asked for by an envoy."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any, ClassVar, Final

from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.storage.headers import Header
from tierhost.workers.storage.looking import Look, no_volume, volume_subject
from tierhost.workers.storage.remote_link import ask_about
from tierhost.workers.storage.volume_backend import Space, VolumeBackend, unsupported
from tierhost.workers.storage.volume_copying import copy_pieces
from tierhost.workers.storage.volume_names import is_volume_name

if TYPE_CHECKING:
    from tierhost.workers.storage.backend import Effort
    from tierhost.workers.storage.pool_xml import PoolDefinition
    from tierhost.workers.storage.registry import Pool
    from tierhost.workers.storage.volume_backend import Identity, Making, Row

TOKEN_BYTES: Final = 12


class RbdVolumes(VolumeBackend):
    """Images. One that is not whole yet is marked so in the cluster, with its token."""

    kind: ClassVar[str] = "network"

    def path(self, definition: PoolDefinition, name: str) -> str:
        """As libvirt: the Ceph pool's name and the image's."""
        return f"{definition.source.name}/{name}"

    def name_at(self, definition: PoolDefinition, path: str) -> str | None:
        """What comes after the Ceph pool's name."""
        start = f"{definition.source.name}/"
        name = path.removeprefix(start)
        return name if path.startswith(start) and is_volume_name(name) else None

    # Looking.

    def names(self, pool: Pool, effort: Effort) -> tuple[list[str], list[str]]:
        """All images; a name that is hidden here, or no text, cannot be one."""
        found = ask(pool, "names", effort)
        return sorted(filter(is_volume_name, found)), sorted(name for name in found if not is_volume_name(name))

    def look(self, pool: Pool, name: str, row: Row | None, effort: Effort) -> Look:
        """Open it read-only."""
        try:
            found = ask(pool, "look", effort, name=name)
        except FileNotFoundError:
            raise no_volume(pool, name) from None
        row = row if row is not None and row["inode"] == found["id"] else None
        return Look(
            name=name,
            path=pool.path(name),
            header=Header("raw", found["size"]),
            size=found["size"],
            allocation=min(found["allocation"], found["size"]),
            identity=found["id"],
            kind=self.kind,
            extras=row["extras"] if row else (),
        )

    def exists(self, pool: Pool, name: str, effort: Effort) -> bool:
        """Whether the name leads to an image."""
        return bool(ask(pool, "exists", effort, name=name))

    def space(self, pool: Pool, effort: Effort) -> Space:
        """As libvirt: capacity and what is left are the cluster's, the allocation is the pool's."""
        return Space(*ask(pool, "space", effort))

    def connection(self, pool: Pool, look: Look) -> dict[str, Any]:
        """Where the image is, and which secret opens it; the key itself the guest's driver asks for."""
        source = pool.definition.source
        auth = source.auth
        return {
            "type": "network",
            "protocol": "rbd",
            "name": look.path,
            "hosts": [{"name": host.name, "port": host.port} for host in source.hosts],
            "auth": None
            if auth is None
            else {
                "type": auth.type,
                "username": auth.username,
                "secret_uuid": auth.secret_uuid,
                "secret_usage": auth.secret_usage,
            },
        }

    # Making.

    def check(self, pool: Pool, making: Making) -> None:
        """Only raw ones, as in libvirt."""
        wanted = making.wanted
        if wanted.format != "raw" or wanted.backing is not None or wanted.encryption is not None or making.preallocate:
            raise unsupported(pool, "its volumes are raw, without encryption and backing image", hint="use <format type='raw'/>")
        if "@" in wanted.name:
            raise DriverError(
                "an image's name has no '@' in it", code=Code.INVALID_ARG, subject=volume_subject(pool, wanted.name)
            )

    def token(self, pool: Pool) -> str:
        """A random word."""
        return os.urandom(TOKEN_BYTES).hex()

    def fill(self, pool: Pool, token: str, making: Making, effort: Effort) -> Identity:
        """Make the image; a copy within the pool never leaves the cluster's network."""
        name, original = making.wanted.name, making.original
        inside = original is not None and original.pool.uuid == pool.uuid
        source = original.look.name if original is not None and inside else ""
        identity: str = ask(
            pool, "make", effort, changes=True, name=name, token=token, size=making.capacity or 0, original=source
        )
        if original is not None and not inside:
            copy_pieces(
                original,
                lambda offset, data: ask(pool, "write", effort, data, changes=True, name=name, offset=offset),
                effort,
            )
        return identity

    def publish(self, pool: Pool, token: str, making: Making, effort: Effort) -> None:
        """Mark it as whole."""
        ask(pool, "publish", effort, changes=True, name=making.wanted.name, token=token)

    def settle_making(self, pool: Pool, name: str, token: str, effort: Effort) -> Identity | None:
        """By its mark."""
        found: str | None = ask(pool, "settle", effort, changes=True, name=name, token=token)
        return found

    def unmake(self, pool: Pool, name: str, token: str, identity: Identity | None, effort: Effort) -> None:
        """By its mark, too."""
        ask(pool, "unmake", effort, changes=True, name=name, token=token)

    # Changing.

    def remove(self, pool: Pool, look: Look, effort: Effort) -> None:
        """Refused by the cluster while it has snapshots, or anybody anywhere has it open."""
        ask(pool, "remove", effort, changes=True, name=look.name)

    def resize(self, pool: Pool, look: Look, capacity: int, effort: Effort, *, allocate: bool) -> None:
        """Nothing can be set aside: an image's objects are made when they are written."""
        if allocate:
            raise unsupported(pool, "space cannot be set aside in it")
        ask(pool, "resize", effort, changes=True, name=look.name, size=capacity)

    def wipe(self, pool: Pool, look: Look, effort: Effort) -> None:
        """Overwrite what was written."""
        done = ask(pool, "wipe", effort, changes=True, name=look.name)
        if done < look.size:
            raise DriverError(
                f"wiped {done} of {look.size} bytes in the time the caller gave",
                code=Code.OPERATION_TIMEOUT,
                hint="wipe it again with a longer deadline",
            )

    def read(self, pool: Pool, look: Look, offset: int, length: int, effort: Effort) -> bytes:
        """Read a piece."""
        piece: bytes = ask(pool, "read", effort, name=look.name, offset=offset, length=length)
        return piece

    def write(self, pool: Pool, look: Look, offset: int, data: bytes, effort: Effort) -> None:
        """Write a piece."""
        ask(pool, "write", effort, data, changes=True, name=look.name, offset=offset)


REASONS: Final[dict[int, tuple[str, Code, str]]] = {
    errno.EBUSY: ("somebody has it open", Code.RESOURCE_BUSY, "a client that was killed lets go of it within half a minute"),
    errno.ENOTEMPTY: ("it has snapshots", Code.OPERATION_INVALID, "rbd snap purge POOL/IMAGE"),
    errno.ENOSPC: ("the Ceph cluster is full", Code.OPERATION_FAILED, ""),
    errno.EDQUOT: ("the quota of its Ceph pool is used up", Code.OPERATION_FAILED, ""),
}


def ask(pool: Pool, method: str, effort: Effort, data: bytes = b"", *, changes: bool = False, **arguments: Any) -> Any:
    """Ask the envoy about an image. Raises FileNotFoundError, FileExistsError, or DriverError."""
    return ask_about(REASONS, pool, method, effort, data, changes=changes, **arguments)
