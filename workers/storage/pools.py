"""The pool calls of libvirt that change something."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tierhost.workers.runtime.arguments import check_flags
from tierhost.workers.runtime.contract import Code, DriverError, change
from tierhost.workers.storage.base import StorageBase
from tierhost.workers.storage.flags import BUILD_FLAGS, CREATE_FLAGS, CREATE_WITH_BUILD
from tierhost.workers.storage.looking import volume_names
from tierhost.workers.storage.records import POOLS, defined_row
from tierhost.workers.storage.registry import Pool

if TYPE_CHECKING:
    from collections.abc import Iterator


class PoolChanges(StorageBase):
    """Define, start, stop, build: one change at a time per pool, and a stuck pool holds up only itself."""

    @change()
    def storage_pool_define_xml(self, xml: str, flags: int = 0) -> dict[str, Any]:
        """Define a pool, or change a definition; an active pool keeps what it was started with until it is stopped.

        Returns its name and uuid, and which elements nobody read: they are kept, and have no effect.
        """
        check_flags(flags)
        definition = self.parse_pool(xml)
        told = self.told(definition)
        with self.context.jobs.changing(f"pool {definition.name}"), self.bench.pools.claiming(definition):
            old = self.bench.pools.get(definition.uuid)
            pool = replace(old, defined=definition) if old else Pool(definition)
            with self.context.persistent.transaction() as t:
                t.put(POOLS, pool.uuid, defined_row(pool))
                t.reply(told)
            self.bench.pools.put(pool)
        self.context.emit("pool-defined", pool.name, {"uuid": pool.uuid})
        return told

    @change()
    def storage_pool_create_xml(self, xml: str, flags: int = 0) -> dict[str, Any]:
        """Start a pool that is forgotten when it is stopped or the machine reboots; after a crash it is active again."""
        _check_create_flags(flags)
        definition = self.parse_pool(xml)
        told = self.told(definition)
        with self.bench.pools.claiming(definition):
            self.life.start(definition.uuid, definition, flags, told)
        return told

    @change()
    def storage_pool_create(self, pool: str, flags: int = 0) -> None:
        """Start a defined pool; from now on it is active after every crash, whatever its autostart flag says."""
        _check_create_flags(flags)
        self.life.start(self.bench.pools.find(pool).uuid, None, flags)

    @change()
    def storage_pool_destroy(self, pool: str) -> None:
        """Stop a pool; its contents stay. Refused while a guest uses one of its volumes."""
        self.life.stop(pool)

    @change()
    def storage_pool_undefine(self, pool: str) -> None:
        """Forget the definition of an inactive pool; its contents stay."""
        with self._inactive(pool) as found:
            with self.context.persistent.transaction() as t:
                t.delete(POOLS, found.uuid)
                t.reply(None)
            self.bench.pools.drop(found.uuid)
        self.context.mend(found.subject)
        self.context.emit("pool-undefined", found.name, {"uuid": found.uuid})

    @change()
    def storage_pool_build(self, pool: str, flags: int = 0) -> None:
        """Make the directory of an inactive pool, and with a flag its file system: 4 only on an empty device, 8 in any case."""
        check_flags(flags, BUILD_FLAGS)
        if flags == BUILD_FLAGS:
            raise DriverError("flags 4 (no overwrite) and 8 (overwrite) exclude each other", code=Code.INVALID_ARG)
        with self._inactive(pool) as found, self.bench.act(f"pool {found.uuid}", found.definition) as effort:
            found.backend.build(found.definition, flags, effort)
        self.context.emit("pool-built", found.name, {"uuid": found.uuid})

    @change()
    def storage_pool_delete(self, pool: str, flags: int = 0) -> None:
        """Remove the empty directory of an inactive pool."""
        check_flags(flags)
        with self._inactive(pool) as found, self.bench.act(f"pool {found.uuid}", found.definition) as effort:
            found.backend.delete(found.definition, effort)
        self.context.emit("pool-deleted", found.name, {"uuid": found.uuid})

    @change()
    def storage_pool_refresh(self, pool: str, flags: int = 0) -> dict[str, Any]:
        """Look at an active pool again, and mount it again if somebody unmounted it.

        Returns how many volumes it has, and the files that cannot be one.
        """
        check_flags(flags)
        found = self.life.refresh(pool)
        names, skipped = volume_names(found, self.bench.glance(found))
        self.context.emit("pool-refreshed", found.name, {"uuid": found.uuid})
        return {"volumes": len(names), "skipped": skipped[:100]}

    @change()
    def storage_pool_set_autostart(self, pool: str, autostart: bool) -> None:
        """Say whether a pool is to be started when the machine boots."""
        if not isinstance(autostart, int) or autostart not in {0, 1}:
            raise DriverError(f"autostart is {autostart!r}, expected true or false", code=Code.INVALID_ARG)
        with self._changing(pool) as found:
            if found.defined is None:
                raise DriverError("a transient pool cannot be autostarted", code=Code.OPERATION_INVALID, subject=found.subject)
            changed = replace(found, autostart=bool(autostart))
            with self.context.persistent.transaction() as t:
                t.put(POOLS, changed.uuid, defined_row(changed))
                t.reply(None)
            self.bench.pools.put(changed)

    @contextmanager
    def _changing(self, name: str) -> Iterator[Pool]:
        """Have a pool to oneself, as it is once one has it."""
        with self.context.jobs.changing(self.bench.pools.find(name).subject):
            yield self.bench.pools.find(name)

    @contextmanager
    def _inactive(self, name: str) -> Iterator[Pool]:
        with self._changing(name) as found:
            self.restoring.settle_pool(found.uuid)
            settled = self.bench.pools.find(name)
            if settled.active:
                raise DriverError(
                    "the pool is still active",
                    code=Code.OPERATION_INVALID,
                    subject=settled.subject,
                    hint=f"tierhost call storage.storage_pool_destroy {settled.name}",
                )
            yield settled


def _check_create_flags(flags: object) -> None:
    """CREATE_WITH_BUILD, _OVERWRITE and _NO_OVERWRITE: the last two exclude each other."""
    if check_flags(flags, CREATE_FLAGS) & ~CREATE_WITH_BUILD == CREATE_FLAGS & ~CREATE_WITH_BUILD:
        raise DriverError("flags 2 (overwrite) and 4 (no overwrite) exclude each other", code=Code.INVALID_ARG)
