"""After a crash: read the records, look at the world, and make every pool again what was acknowledged."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.runtime.contract import DriverError, TierhostError
from tierhost.workers.storage.backend import backend_of
from tierhost.workers.storage.pool_xml import parse_pool
from tierhost.workers.storage.records import ACTIVE, POOLS, active_row, intent_of
from tierhost.workers.storage.registry import Pool
from tierhost.workers.storage.state import Intent, Seen, Settlement, settle_pool
from tierhost.workers.storage.together import together
from tierhost.workers.storage.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tierhost.workers.storage.backend import Effort
    from tierhost.workers.storage.pool_xml import PoolDefinition
    from tierhost.workers.storage.workbench import Workbench

LOOK_LIMIT_S: Final = 5.0
"""How long initialize waits for the pools' directories to answer. One that hangs is degraded; the others serve."""

MOUNT_RESERVE_S: Final = 8.0
"""What initialize keeps of its time when a pool has to be mounted again; the rest is mounted right after."""

RETRY_FIRST_S: Final = 2.0
RETRY_MAX_S: Final = 60.0
RETRY_REMOTE_S: Final = 4.0
"""A server is asked again at least so often: one question costs it nothing."""

WATCH_S: Final = 3.0
"""How often an active pool on a server is looked at when nobody calls."""


class Restoring:
    """Reads and settles what an earlier life left. Nothing is started here that was not active before."""

    def __init__(self, bench: Workbench, settle_volumes: Callable[[Pool], None]) -> None:
        self._bench = bench
        self._context = bench.context
        self._run = bench.context.run
        self.settle_volumes = settle_volumes
        self._turns = Turns(self._context.later)

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
        active = [pool for pool in self._bench.pools.all() if pool.active]
        self.look_at([pool for pool in active if not pool.backend.remote])
        for pool in active:
            if pool.backend.remote:
                # Its key comes from another worker, which nobody has told us of yet; and it may be silent for long.
                self._context.later(0.0, partial(self._look, pool.uuid, 1))

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
                self._mount_again_now_or_later(alive)
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

    # Mounting again.

    def _mount_again_now_or_later(self, pool: Pool) -> None:
        if self._bench.left_s() < MOUNT_RESERVE_S:
            self._retry(pool.uuid, 0, "not mounted again yet: initialize had no time left")
            return
        try:
            with self._bench.act(f"pool {pool.uuid}", pool.definition) as effort:
                self.mount_again(pool, effort)
        except DriverError as error:
            self._retry(pool.uuid, 1, f"it was active and cannot be mounted again: {error}")

    def mount_again(self, pool: Pool, effort: Effort) -> Pool:
        """Mount a pool that is active by record and not in the world. The caller has its locks."""
        mounted = replace(pool, facts=pool.backend.start(pool.definition, effort))
        with self._run.transaction() as t:
            t.put(ACTIVE, pool.uuid, active_row(mounted))
            t.settle(intent_of(pool.uuid))
        self._bench.pools.put(mounted)
        self._context.mend(mounted.subject)
        self._context.emit("pool-mounted-again", mounted.name, {"uuid": mounted.uuid})
        return mounted

    def _retry(self, uuid: str, attempt: int, trouble: str) -> None:
        pool = self._bench.pools.get(uuid)
        if pool is not None and pool.active:
            self._context.degrade(pool.subject, trouble)
            longest_s = RETRY_REMOTE_S if pool.backend.remote else RETRY_MAX_S
            delay_s = min(longest_s, RETRY_FIRST_S * 2**attempt) if attempt else 0.0
            self._turns.put_off(uuid, delay_s, lambda: self._recover(uuid, min(attempt + 1, 10)))

    def _recover(self, uuid: str, attempt: int) -> None:
        """Try again to bring an active pool back; runs on the worker's pool until it is back, stopped or gone."""
        pool = self._bench.pools.get(uuid)
        if pool is None or not pool.active:
            return
        try:
            self._bench.links.reach(pool.definition)
            with self._context.jobs.changing(pool.subject), self._bench.act(f"pool {uuid}", pool.definition) as effort:
                pool = self._bench.pools.find_active(uuid)
                if pool.backend.changes_world and pool.backend.seen(pool.definition, pool.facts) is Seen.ABSENT:
                    self.mount_again(pool, effort)
        except TierhostError as error:
            self._retry(uuid, attempt, str(error))
            return
        self._look(uuid, attempt)

    # Looking.

    def look_at(self, pools: list[Pool]) -> None:
        """Look at the storage of every active pool. One that hangs is shown, and the others serve."""
        for pool in together(lambda pool: self._look(pool.uuid, 1), pools, LOOK_LIMIT_S):
            place = f"its directory {pool.definition.target}" if pool.definition.target else "its storage"
            self._context.degrade(pool.subject, f"{place} does not answer")

    def _look(self, uuid: str, attempt: int) -> None:
        pool = self._bench.pools.get(uuid)
        if pool is None or not pool.active:
            return
        try:
            self._bench.links.reach(pool.definition)
            trouble = self._bench.trouble(pool)
        except TierhostError as error:
            trouble = str(error)
        if trouble:
            self._retry(uuid, attempt, trouble)
        else:
            self.settle_volumes(pool)
            self.watch(pool)

    def watch(self, pool: Pool) -> None:
        """Look at a remote pool again soon, and so on: that its storage fell silent, and is back, shows without a call."""
        if pool.backend.remote:
            self._turns.put_off(pool.uuid, WATCH_S, lambda: self._look(pool.uuid, 1))
