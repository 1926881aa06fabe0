"""Active pools, looked at and brought back: mounted again when they are gone, asked again when they are silent."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from tierhost.workers.runtime.contract import DriverError, TierhostError
from tierhost.workers.storage.records import ACTIVE, active_row, intent_of
from tierhost.workers.storage.state import Seen
from tierhost.workers.storage.together import together
from tierhost.workers.storage.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierhost.workers.storage.backend import Effort
    from tierhost.workers.storage.registry import Pool
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


class Tending:
    """Never starts a pool that is not active, and never stops one: what is active stays so until somebody says otherwise."""

    def __init__(self, bench: Workbench, settle_volumes: Callable[[Pool], None]) -> None:
        self._bench = bench
        self._context = bench.context
        self._run = bench.context.run
        self.settle_volumes = settle_volumes
        self._turns = Turns(self._context.later)

    # Mounting again.

    def mount_again_now_or_later(self, pool: Pool) -> None:
        """For initialize: mount a pool again that was active, or soon after if there is no time left."""
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

    def begin(self, active: list[Pool]) -> None:
        """For initialize: look at every active pool for the first time in this life."""
        self.look_at([pool for pool in active if not pool.backend.remote])
        for pool in active:
            if pool.backend.remote:
                # Its key comes from another worker, which nobody has told us of yet; and it may be silent for long.
                self._turns.put_off(pool.uuid, 0.0, partial(self._look, pool.uuid, 1))

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
