"""Volumes that are units of an iSCSI target: whoever runs the target makes them, we read, write and wipe them."""

from __future__ import annotations

import errno
import re
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.storage.headers import Header
from tierhost.workers.storage.iscsi_link import PORT
from tierhost.workers.storage.looking import Look, no_volume
from tierhost.workers.storage.remote_link import ask_about
from tierhost.workers.storage.volume_backend import Space, VolumeBackend, unsupported

if TYPE_CHECKING:
    from tierhost.workers.storage.backend import Effort
    from tierhost.workers.storage.pool_xml import PoolDefinition
    from tierhost.workers.storage.registry import Pool
    from tierhost.workers.storage.volume_backend import Making, Row

NAME: Final = re.compile(r"unit:0:0:(0|[1-9][0-9]{0,4})\Z")
UNIT_MAX: Final = 16383

ask = partial(ask_about, {errno.EROFS: ("it is write-protected", Code.OPERATION_DENIED, "its target says so")})


class IscsiVolumes(VolumeBackend):
    """Units, under libvirt's names: `unit:0:0:N`."""

    kind: ClassVar[str] = "network"

    def path(self, definition: PoolDefinition, name: str) -> str:
        """As libvirt: where it is, in one word."""
        return f"{_place(definition)}{name.rpartition(':')[2]}"

    def name_at(self, definition: PoolDefinition, path: str) -> str | None:
        """What the number at the end says."""
        start = _place(definition)
        name = f"unit:0:0:{path.removeprefix(start)}"
        return name if path.startswith(start) and NAME.match(name) else None

    def names(self, pool: Pool, effort: Effort) -> tuple[list[str], list[str]]:
        """All disks; a controller, say, cannot be a volume."""
        disks, others = ask(pool, "names", effort)
        return [f"unit:0:0:{unit}" for unit in sorted(disks)], [f"unit:0:0:{unit}" for unit in sorted(others)]

    def look(self, pool: Pool, name: str, row: Row | None, effort: Effort) -> Look:
        """Ask for its size and serial number. It is raw: whatever a guest wrote into its first bytes."""
        try:
            found = ask(pool, "look", effort, unit=_unit(pool, name))
        except FileNotFoundError:
            raise no_volume(pool, name) from None
        identity = found["serial"] or name
        row = row if row is not None and row["inode"] == identity else None
        return Look(
            name=name,
            path=pool.path(name),
            header=Header("raw", found["size"]),
            size=found["size"],
            allocation=found["size"],
            identity=identity,
            kind=self.kind,
            extras=row["extras"] if row else (),
        )

    def exists(self, pool: Pool, name: str, effort: Effort) -> bool:
        """Whether there is a unit of this number."""
        return any(name in names for names in self.names(pool, effort))

    def space(self, pool: Pool, effort: Effort) -> Space:
        """As libvirt: all of it is in use."""
        size = ask(pool, "space", effort)
        return Space(size, size, 0)

    def connection(self, pool: Pool, look: Look) -> dict[str, Any]:
        """Where the unit is, and which secret opens it; the password itself the guest's driver asks for."""
        source = pool.definition.source
        auth = source.auth
        login = None
        if auth is not None:
            secret = {"secret_uuid": auth.secret_uuid, "secret_usage": auth.secret_usage}
            login = {"type": auth.type, "username": auth.username, **secret}
        return {
            "type": "network",
            "protocol": "iscsi",
            "name": f"{source.device}/{_unit(pool, look.name)}",
            "hosts": [{"name": host.name, "port": host.port or PORT} for host in source.hosts],
            "auth": login,
            "initiator": source.initiator,
        }

    def check(self, pool: Pool, making: Making) -> None:
        """Never."""
        raise unsupported(pool, "units are made at the target", hint="then: tierhost call storage.storage_pool_refresh POOL")

    def wipe(self, pool: Pool, look: Look, effort: Effort) -> None:
        """Overwrite all of it."""
        done = ask(pool, "wipe", effort, changes=True, unit=_unit(pool, look.name))
        if done < look.size:
            raise DriverError(
                f"wiped {done} of {look.size} bytes in the time the caller gave",
                code=Code.OPERATION_TIMEOUT,
                hint="wipe it again with a longer deadline",
            )

    def read(self, pool: Pool, look: Look, offset: int, length: int, effort: Effort) -> bytes:
        """Read a piece."""
        piece: bytes = ask(pool, "read", effort, unit=_unit(pool, look.name), offset=offset, length=length)
        return piece

    def write(self, pool: Pool, look: Look, offset: int, data: bytes, effort: Effort) -> None:
        """Write a piece."""
        ask(pool, "write", effort, data, changes=True, unit=_unit(pool, look.name), offset=offset)


def _place(definition: PoolDefinition) -> str:
    host = definition.source.hosts[0]
    return f"ip-{host.name}:{host.port or PORT}-iscsi-{definition.source.device}-lun-"


def _unit(pool: Pool, name: str) -> int:
    found = NAME.match(name)
    if found is None or int(found[1]) > UNIT_MAX:
        raise no_volume(pool, name)
    return int(found[1])
