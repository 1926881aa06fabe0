"""Every pool known here, by name, uuid and place, and what knows its type and its volumes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tierhost.workers.runtime.contract import Code
from tierhost.workers.runtime.registry import Registry, Startable
from tierhost.workers.storage.backend import backend_of
from tierhost.workers.storage.pool_xml import PoolDefinition

if TYPE_CHECKING:
    from tierhost.workers.storage.backend import PoolBackend
    from tierhost.workers.storage.volume_backend import VolumeBackend


@dataclass(frozen=True, slots=True)
class Pool(Startable[PoolDefinition]):
    """One pool. Its facts are its back end's."""

    kind: ClassVar[str] = "pool"

    @property
    def backend(self) -> PoolBackend:
        """What knows its type."""
        return backend_of(self.definition.type)

    @property
    def volumes(self) -> VolumeBackend:
        """What knows its volumes."""
        return self.backend.volumes

    def path(self, volume: str) -> str:
        """The path, and key, of one of its volumes."""
        return self.volumes.path(self.definition, volume)

    def row_key(self, volume: str) -> str:
        """Under what the stores know one of its volumes."""
        return self.volumes.row_key(self.definition, volume)


class Pools(Registry[Pool]):
    """All of them; what their back ends use exclusively, no two share."""

    made = Pool
    title = "storage pool"
    unknown = Code.NO_STORAGE_POOL
    calls = "storage.storage_pool"

    def shared(self, known: Pool, wanted: PoolDefinition) -> set[str]:
        """Places that both would use."""
        theirs = {place for one in known.definitions() for place in backend_of(one.type).exclusive(one)}
        return theirs & set(backend_of(wanted.type).exclusive(wanted))

    def at(self, target: str) -> Pool | None:
        """Return the pool whose directory this is, the active one first."""
        found = [pool for pool in self.all() if target and pool.definition.target == target]
        return max(found, key=lambda pool: pool.active, default=None)

    def of_volume(self, path: str) -> tuple[Pool, str] | None:
        """Return the pool that a path would be a volume of, the active one first, and the volume's name."""
        places = [(pool, pool.volumes.name_at(pool.definition, path)) for pool in self.all()]
        found = [(pool, name) for pool, name in places if name is not None]
        return max(found, key=lambda place: place[0].active, default=None)
