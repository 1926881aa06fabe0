"""The pool calls of libvirt that only ask."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.runtime.arguments import LIST_FLAGS, check_flags, is_listed
from tierhost.workers.runtime.contract import Code, DriverError, TierhostError, read
from tierhost.workers.storage.base import StorageBase
from tierhost.workers.storage.flags import XML_INACTIVE
from tierhost.workers.storage.pool_xml import describe_pool

if TYPE_CHECKING:
    from tierhost.workers.storage.registry import Pool

NO_SPACE: Final = {"capacity": 0, "allocation": 0, "available": 0}


class PoolQuestions(StorageBase):
    """Never queued behind a change. Those that look into a directory wait as long as its file system takes."""

    @read(inline=True)
    def storage_pool_list(self, flags: int = 0) -> list[dict[str, Any]]:
        """List pools: all of them, or those that libvirt's flags select (1 inactive, 2 active, 4 persistent, ...)."""
        check_flags(flags, LIST_FLAGS)
        return [_shown(pool) for pool in self.bench.pools.all() if _selected(pool, flags)]

    @read(inline=True)
    def storage_pool_lookup_by_name(self, name: str) -> dict[str, Any]:
        """Show the pool of this name."""
        pool = self.bench.pools.find(name)
        if pool.name != name:
            raise DriverError(f"no storage pool with matching name '{name[:80]}'", code=Code.NO_STORAGE_POOL)
        return _shown(pool)

    @read(inline=True)
    def storage_pool_lookup_by_uuid(self, uuid: str) -> dict[str, Any]:
        """Show the pool of this uuid."""
        return _shown(self.bench.pools.find(uuid))

    @read()
    def storage_pool_lookup_by_volume(self, path: str) -> dict[str, Any]:
        """Show the pool that the volume at this path is in."""
        found = self.bench.pools.of_volume(str(path))
        if found is None:
            raise DriverError(f"no storage pool has a volume at '{str(path)[:80]}'", code=Code.NO_STORAGE_VOL)
        return _shown(found[0])

    @read(inline=True)
    def storage_pool_lookup_by_target_path(self, path: str) -> dict[str, Any]:
        """Show the pool whose directory this is."""
        found = self.bench.pools.at(os.path.normpath(str(path)))
        if found is None:
            raise DriverError(f"no storage pool with matching target path '{str(path)[:80]}'", code=Code.NO_STORAGE_POOL)
        return _shown(found)

    @read(inline=True)
    def storage_pool_get_autostart(self, pool: str) -> bool:
        """Say whether the pool starts when the machine boots."""
        return self.bench.pools.find(pool).autostart

    @read()
    def storage_pool_get_info(self, pool: str) -> dict[str, Any]:
        """State ("inactive", "running", or "degraded": active, and not usable now), capacity, allocation, available bytes."""
        found = self.bench.pools.find(pool)
        if not found.active:
            return {"state": "inactive", **NO_SPACE}
        trouble = self._trouble(found)
        if not trouble:
            try:
                return {"state": "running", **self._space(found)}
            except DriverError as error:
                if not found.backend.remote:
                    raise
                trouble = error.text
        return {"state": "degraded", "reason": trouble, **NO_SPACE}

    @read()
    def storage_pool_get_xml_desc(self, pool: str, flags: int = 0) -> str:
        """Return the XML: of what is active, with its sizes; with flag 1 or if it is not active, of the definition."""
        check_flags(flags, XML_INACTIVE)
        found = self.bench.pools.find(pool)
        if flags & XML_INACTIVE and found.defined is not None:
            return describe_pool(found.defined, NO_SPACE)
        usable = found.active and not self._trouble(found)
        return describe_pool(found.definition, self._space(found) if usable else NO_SPACE)

    def _trouble(self, pool: Pool) -> str:
        """Say why an active pool cannot be used; here that its key cannot be had is an answer, not a failure."""
        try:
            self.bench.links.reach(pool.definition)
        except TierhostError as error:
            self.context.degrade(pool.subject, str(error))
            return str(error)
        return self.bench.trouble(pool)

    def _space(self, pool: Pool) -> dict[str, int]:
        try:
            space = pool.volumes.space(pool, self.bench.glance(pool))
        except OSError as error:
            raise DriverError(f"it cannot be measured: {error.strerror}", code=Code.SYSTEM_ERROR, subject=pool.subject) from None
        return {"capacity": space.capacity, "allocation": space.allocation, "available": space.available}


def _shown(pool: Pool) -> dict[str, Any]:
    return {
        "name": pool.name,
        "uuid": pool.uuid,
        "type": pool.definition.type,
        "state": "active" if pool.active else "inactive",
        "autostart": pool.autostart,
        "persistent": pool.defined is not None,
        "target": pool.definition.target,
    }


def _selected(pool: Pool, flags: int) -> bool:
    persistent = pool.defined is not None
    return is_listed(flags, active=pool.active, persistent=persistent, autostart=pool.autostart)
