"""Every pool known here, by name and uuid: frozen pictures, replaced whole, so that readers need no lock."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.storage.backend import backend_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tierhost.workers.storage.backend import PoolBackend
    from tierhost.workers.storage.pool_xml import PoolDefinition
    from tierhost.workers.storage.volume_backend import VolumeBackend


@dataclass(frozen=True, slots=True)
class Pool:
    """One pool. `defined` is what stays (None: transient), `live` what it was started with (None: inactive)."""

    defined: PoolDefinition | None
    live: PoolDefinition | None = None
    autostart: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What its back end must remember of the start."""

    @property
    def definition(self) -> PoolDefinition:
        """What it is now, if it is active; what it will be, if not."""
        found = self.live or self.defined
        assert found is not None
        return found

    @property
    def name(self) -> str:
        """Its name, which never changes."""
        return self.definition.name

    @property
    def uuid(self) -> str:
        """Its uuid, by which the stores know it."""
        return self.definition.uuid

    @property
    def active(self) -> bool:
        """Whether it was started and not stopped since, as acknowledged."""
        return self.live is not None

    @property
    def subject(self) -> str:
        """How it is named in errors, locks and degraded objects."""
        return f"pool {self.name}"

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


class Pools:
    """The pools by uuid. Written by whoever holds the pool's job lock, read by everybody."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._claims: dict[str, PoolDefinition] = {}
        self._pools: dict[str, Pool] = {}
        self._uuids: dict[str, str] = {}

    def put(self, pool: Pool) -> None:
        """Add a pool, or replace its picture."""
        with self._lock:
            self._pools = {**self._pools, pool.uuid: pool}
            self._uuids = {**self._uuids, pool.name: pool.uuid}

    def drop(self, uuid: str) -> None:
        """Forget a pool."""
        with self._lock:
            self._pools = {other: pool for other, pool in self._pools.items() if other != uuid}
            self._uuids = {name: other for name, other in self._uuids.items() if other != uuid}

    def all(self) -> list[Pool]:
        """Return every pool, by name."""
        return sorted(self._pools.values(), key=lambda pool: pool.name)

    def get(self, name: object) -> Pool | None:
        """Return the pool of this name or uuid, or None."""
        if not isinstance(name, str):
            return None
        return self._pools.get(self._uuids.get(name, name)) or self._pools.get(name.lower())

    def find(self, name: object) -> Pool:
        """Return the pool of this name or uuid, or raise."""
        pool = self.get(name)
        if pool is None:
            raise DriverError(
                f"no storage pool with matching name or uuid '{str(name)[:80]}'",
                code=Code.NO_STORAGE_POOL,
                hint="tierhost call storage.storage_pool_list",
            )
        return pool

    def find_active(self, name: object) -> Pool:
        """Return an active pool of this name or uuid, or raise."""
        pool = self.find(name)
        if not pool.active:
            raise DriverError(
                "the pool is not active",
                code=Code.OPERATION_INVALID,
                subject=pool.subject,
                hint=f"tierhost call storage.storage_pool_create {pool.name}",
            )
        return pool

    def at(self, target: str) -> Pool | None:
        """Return the pool whose directory this is, the active one first."""
        found = [pool for pool in self._pools.values() if target and pool.definition.target == target]
        return max(found, key=lambda pool: pool.active, default=None)

    def of_volume(self, path: str) -> tuple[Pool, str] | None:
        """Return the pool that a path would be a volume of, the active one first, and the volume's name."""
        places = [(pool, pool.volumes.name_at(pool.definition, path)) for pool in self._pools.values()]
        found = [(pool, name) for pool, name in places if name is not None]
        return max(found, key=lambda place: place[0].active, default=None)

    @contextmanager
    def claiming(self, wanted: PoolDefinition) -> Iterator[None]:
        """Keep a new pool's name, uuid and places for it until it is put. Raises if another pool has any of them."""
        with self._lock:
            claims = [Pool(other) for other in self._claims.values() if other is not wanted]
            for pool in (*self._pools.values(), *claims):
                _refuse_conflict(pool, wanted)
            if wanted.uuid in self._claims:
                raise _taken("it is being defined right now", wanted)
            self._claims[wanted.uuid] = wanted
        try:
            yield
        finally:
            with self._lock:
                del self._claims[wanted.uuid]


def _refuse_conflict(pool: Pool, wanted: PoolDefinition) -> None:
    if pool.uuid == wanted.uuid:
        if pool.name != wanted.name:
            raise _taken(f"the pool with uuid {wanted.uuid} is called '{pool.name}'", wanted)
        return
    if pool.name == wanted.name:
        raise _taken(f"the pool '{wanted.name}' already exists with uuid {pool.uuid}", wanted)
    mine = backend_of(wanted.type).exclusive(wanted)
    theirs = [backend_of(one.type).exclusive(one) for one in (pool.live, pool.defined) if one is not None]
    shared = mine & set().union(*theirs)
    if shared:
        raise _taken(f"the pool '{pool.name}' uses {', '.join(sorted(shared))} already", wanted)


def _taken(text: str, wanted: PoolDefinition) -> DriverError:
    return DriverError(
        text, code=Code.OPERATION_FAILED, subject=f"pool {wanted.name}", hint="choose another, or undefine that pool first"
    )
