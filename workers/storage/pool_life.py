"""How a pool becomes active and inactive, and becomes exactly what was acknowledged again after a crash."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.storage.acts import may_still_happen
from tierhost.workers.storage.flags import (
    BUILD_NO_OVERWRITE,
    BUILD_OVERWRITE,
    CREATE_FLAGS,
    CREATE_WITH_BUILD_NO_OVERWRITE,
    CREATE_WITH_BUILD_OVERWRITE,
)
from tierhost.workers.storage.records import ACTIVE, active_row, intent_of
from tierhost.workers.storage.registry import Pool
from tierhost.workers.storage.state import Seen

if TYPE_CHECKING:
    from tierhost.workers.storage.backend import Effort
    from tierhost.workers.storage.pool_xml import PoolDefinition
    from tierhost.workers.storage.restoring import Restoring
    from tierhost.workers.storage.tending import Tending
    from tierhost.workers.storage.workbench import Workbench


class PoolLife:
    """Starts and stops pools: intent, act, outcome."""

    def __init__(self, bench: Workbench, restoring: Restoring, tending: Tending) -> None:
        self._bench = bench
        self._tending = tending
        self._restoring = restoring
        self._context = bench.context
        self._run = bench.context.run

    def start(self, uuid: str, transient: PoolDefinition | None = None, flags: int = 0, reply: Any = None) -> Pool:
        """Start a pool that is defined, or a transient one. Durable when it returns. Raises if it is active already."""
        name = transient.name if transient else self._bench.pools.find(uuid).name
        wanted = transient or self._bench.pools.find(uuid).definition
        self._bench.links.reach(wanted)
        with self._context.jobs.changing(f"pool {name}"), self._bench.act(f"pool {uuid}", wanted) as effort:
            self._restoring.settle_pool(uuid)
            pool = (self._bench.pools.get(uuid) or Pool(None)) if transient else self._bench.pools.find(uuid)
            if pool.active:
                raise DriverError("the pool is already active", code=Code.OPERATION_INVALID, subject=f"pool {name}")
            definition = transient or pool.definition
            if flags & CREATE_FLAGS:
                Pool(definition).backend.build(definition, build_flags(flags), effort)
            started = self._start(replace(pool, live=definition), effort, reply)
            self._bench.pools.put(started)
        self._context.mend(started.subject)
        self._context.emit("pool-started", started.name, {"uuid": uuid})
        self._tending.settle_volumes(started)
        self._tending.watch(started)
        return started

    def _start(self, pool: Pool, effort: Effort, reply: Any) -> Pool:
        backend, intent = pool.backend, intent_of(pool.uuid)
        if backend.changes_world:
            self._run.intend(intent, {"act": "start", "reply": reply, **active_row(pool)})
        try:
            started = replace(pool, facts=backend.start(pool.definition, effort))
            with self._run.transaction() as t:
                t.put(ACTIVE, pool.uuid, active_row(started))
                t.settle(intent)
                t.reply(reply)
        except DriverError as error:
            if may_still_happen(error):
                self._context.degrade(pool.subject, error.text)
            else:
                self._undo_start(pool, effort)
            raise
        return started

    def _undo_start(self, pool: Pool, effort: Effort) -> None:
        """Leave nothing mounted by a start that is reported as failed."""
        if not pool.backend.changes_world:
            return
        try:
            if pool.backend.seen(pool.definition, {}) is Seen.OURS:
                pool.backend.stop(pool.definition, {}, self._bench.more_time(effort))
            with self._run.transaction() as t:
                t.abandon(intent_of(pool.uuid))
        except DriverError as error:
            # The intent stays: the next act on the pool, or the next life, settles it by what the world shows then.
            self._context.degrade(pool.subject, f"a start failed and could not be undone: {error}")

    def stop(self, name: str) -> Pool:
        """Stop an active pool. Refused while a guest or a change uses it; what cannot be unmounted stays active."""
        found = self._bench.pools.find_active(name)
        with self._context.jobs.changing(found.subject), self._bench.act(f"pool {found.uuid}", found.definition) as effort:
            self._restoring.settle_pool(found.uuid)
            pool = self._bench.pools.find_active(found.uuid)
            with self._bench.occupancy.stopping(pool.uuid, pool.subject):
                self._stop(pool, effort)
                stopped = replace(pool, live=None, facts={})
                if stopped.defined is None:
                    self._bench.pools.drop(pool.uuid)
                else:
                    self._bench.pools.put(stopped)
        self._bench.links.drop(pool.uuid)
        self._context.mend(pool.subject)
        self._context.emit("pool-stopped", pool.name, {"uuid": pool.uuid})
        return pool

    def _stop(self, pool: Pool, effort: Effort) -> None:
        intent = intent_of(pool.uuid)
        if pool.backend.changes_world:
            self._run.intend(intent, {"act": "stop", **active_row(pool)})
        try:
            pool.backend.stop(pool.definition, pool.facts, effort)
        except DriverError as error:
            if may_still_happen(error):
                self._context.degrade(pool.subject, error.text)
            else:
                with self._run.transaction() as t:
                    t.abandon(intent)
            raise
        with self._run.transaction() as t:
            t.delete(ACTIVE, pool.uuid)
            t.settle(intent)
            t.reply(None)

    def refresh(self, name: str) -> Pool:
        """Look at an active pool again; mount it again if somebody unmounted it."""
        found = self._bench.pools.find_active(name)
        self._bench.links.reach(found.definition)
        with self._context.jobs.changing(found.subject), self._bench.act(f"pool {found.uuid}", found.definition) as effort:
            self._restoring.settle_pool(found.uuid)
            pool = self._bench.pools.find_active(found.uuid)
            if pool.backend.changes_world and pool.backend.seen(pool.definition, pool.facts) is Seen.ABSENT:
                pool = self._tending.mount_again(pool, effort)
        self._bench.need_usable(pool)
        self._tending.settle_volumes(pool)
        return pool


def build_flags(create_flags: int) -> int:
    """Turn flags of create into flags of build."""
    if create_flags & CREATE_WITH_BUILD_OVERWRITE:
        return BUILD_OVERWRITE
    return BUILD_NO_OVERWRITE if create_flags & CREATE_WITH_BUILD_NO_OVERWRITE else 0
