"""After a crash: read the records, look at the world, and make every pool again what was acknowledged."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tierhost.workers.runtime.contract import DriverError
from tierhost.workers.runtime.settling import Intent
from tierhost.workers.storage.backend import backend_of
from tierhost.workers.storage.pool_xml import parse_pool
from tierhost.workers.storage.records import ACTIVE, POOLS, active_row, intent_of
from tierhost.workers.storage.registry import Pool
from tierhost.workers.storage.state import Settlement, settle_pool

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.workers.storage.pool_xml import PoolDefinition
    from tierhost.workers.storage.tending import Tending
    from tierhost.workers.storage.workbench import Workbench


class Restoring:
    """Reads and settles what an earlier life left. Nothing is started here that was not active before."""

    def __init__(self, bench: Workbench, tending: Tending) -> None:
        self._bench = bench
        self._context = bench.context
        self._run = bench.context.run
        self._tending = tending

    # Initialize.

    def restore(self) -> None:
        """Build the pools from the records and settle each by what the world shows. A bad one costs only itself."""
        self._bench.acts.sweep()
        intents = self._pool_intents()
        lost = {damage.key for damage in self._run.damage() if damage.table == ACTIVE}
        known = {*self._context.persistent.all(POOLS), *self._run.all(ACTIVE), *intents}
        for uuid in sorted(known):
            pool = self._picture(uuid, intents.get(uuid), lost_record=uuid in lost)
            if pool is not None:
                self._restore_one(pool, intents.get(uuid))
        self._tending.begin([pool for pool in self._bench.pools.all() if pool.active])

    def _pool_intents(self) -> dict[str, dict[str, Any]]:
        return {facts["uuid"]: facts for facts in self._run.intents().values() if "uuid" in facts}

    def _picture(self, uuid: str, intent: Mapping[str, Any] | None, *, lost_record: bool) -> Pool | None:
        """Put together what is recorded of a pool; None if nothing of it can be read."""
        row, record = self._context.persistent.get(POOLS, uuid), self._run.get(ACTIVE, uuid)
        defined = self._parse(uuid, row)
        live = self._parse(uuid, record)
        if lost_record and live is None:
            # The record of an active pool was there, and both files have lost its contents: that it was there says enough.
            live = defined or self._parse(uuid, intent)
        if live is None and defined is None and self._parse(uuid, intent) is None:
            return None
        return Pool(defined, live, autostart=bool(row and row["autostart"]), facts=record["facts"] if record else {})

    def _parse(self, uuid: str, row: Mapping[str, Any] | None) -> PoolDefinition | None:
        if row is None:
            return None
        try:
            return parse_pool(row["xml"], backend_of)
        except DriverError as error:
            self._context.degrade(f"pool {row.get('name', uuid)}", f"its definition cannot be read: {error}")
            return None

    def _restore_one(self, pool: Pool, intent: Mapping[str, Any] | None) -> None:
        if pool.live or pool.defined:
            self._bench.pools.put(pool)
        try:
            self._settle(pool, intent)
        except DriverError as error:
            self._context.degrade(f"pool {intent['name'] if intent else pool.name}", str(error))

    # One pool.

    def settle_pool(self, uuid: str) -> None:
        """Settle what an earlier act on a pool left open. The caller has the pool's locks."""
        intent = self._run.intents().get(intent_of(uuid))
        if intent is not None:
            self._settle(self._bench.pools.get(uuid) or Pool(None), intent, locked=True)

    def _settle(self, pool: Pool, intent: Mapping[str, Any] | None, *, locked: bool = False) -> None:
        definition = pool.live or (self._parse(intent["uuid"], intent) if intent else None) or pool.definition
        backend = backend_of(definition.type)
        act = Intent(intent["act"]) if intent else Intent.NONE
        if act is not Intent.NONE and not locked:
            # Its mount or umount may still be on its way: look at the world when it stands still.
            with self._bench.act(f"pool {definition.uuid}", definition):
                seen = backend.seen(definition, pool.facts)
        else:
            seen = backend.seen(definition, pool.facts)
        self._apply(settle_pool(active=pool.active, seen=seen, intent=act), replace(pool, live=definition), intent or {}, pool)

    def _apply(self, settlement: Settlement, alive: Pool, intent: Mapping[str, Any], recorded: Pool) -> None:
        """Carry out one settlement. `alive` is the pool as it is if it is active, `recorded` as the records have it."""
        match settlement:
            case Settlement.STAY_INACTIVE:
                pass
            case Settlement.STAY_ACTIVE | Settlement.STAY_ACTIVE_DEGRADED:
                self._record_active(alive, recorded)
                if intent:
                    with self._run.transaction() as t:
                        t.abandon(intent_of(alive.uuid))
            case Settlement.MOUNT_AGAIN:
                self._record_active(alive, recorded)
                self._tending.mount_again_now_or_later(alive)
            case Settlement.COMPLETE_START | Settlement.ABANDON_STOP:
                self._outcome(alive, intent, happened=settlement is Settlement.COMPLETE_START)
            case Settlement.COMPLETE_STOP | Settlement.ABANDON_START:
                self._outcome(replace(alive, live=None, facts={}), intent, happened=settlement is Settlement.COMPLETE_STOP)
            case Settlement.REPORT_MOUNTED:
                self._context.degrade(alive.subject, f"it is inactive, and somebody has mounted {alive.definition.target}")

    def _record_active(self, alive: Pool, recorded: Pool) -> None:
        if self._run.get(ACTIVE, alive.uuid) is None:
            self._run.put(ACTIVE, alive.uuid, active_row(alive))
            self._context.emit("pool-record-restored", alive.name, {"uuid": alive.uuid})
        self._bench.pools.put(replace(recorded, live=alive.live))

    def _outcome(self, pool: Pool, intent: Mapping[str, Any], *, happened: bool) -> None:
        """Write down how an act ended that nobody saw end: it happened, or it never did."""
        uuid = intent["uuid"]
        if pool.active:
            pool = replace(pool, facts=pool.backend.find_facts(pool.definition))
        with self._run.transaction() as t:
            if pool.active:
                t.put(ACTIVE, uuid, active_row(pool))
            else:
                t.delete(ACTIVE, uuid)
            if happened:
                t.settle(intent_of(uuid), reply=intent.get("reply"))
            else:
                t.abandon(intent_of(uuid))
        if pool.active or pool.defined:
            self._bench.pools.put(pool)
        else:
            self._bench.pools.drop(uuid)
        self._context.emit("pool-settled", intent["name"], {"uuid": uuid, "act": intent["act"], "happened": happened})
