"""What all parts of the driver work with, made anew by initialize: pools, who uses them, locks, deadlines."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tierhost.workers.runtime import calling
from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.storage.acts import Acts
from tierhost.workers.storage.backend import Effort
from tierhost.workers.storage.links import Links
from tierhost.workers.storage.looking import look
from tierhost.workers.storage.occupancy import Occupancy
from tierhost.workers.storage.options import read_options
from tierhost.workers.storage.registry import Pools

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierhost.workers.runtime.contract import Context
    from tierhost.workers.storage.looking import Look
    from tierhost.workers.storage.pool_xml import PoolDefinition
    from tierhost.workers.storage.registry import Pool

PATIENCE_S: Final = 2.0
"""How long a program of an earlier life, killed with it, may take to be gone."""

UNDO_LIMIT_S: Final = 5.0
"""How long taking back something that failed may take."""


class Workbench:
    """One life's view of the pools."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.options = read_options(context.config)
        self.pools = Pools()
        self.occupancy = Occupancy(context.run)
        self.acts = Acts(context.run_dir / "acts")
        self.links = Links(context, self.options)

    def left_s(self) -> float:
        """How long whoever asked still waits."""
        return max(0.0, calling.deadline_s() - time.monotonic())

    @contextmanager
    def act(self, label: str, definition: PoolDefinition) -> Iterator[Effort]:
        """Lock an object for an act on the world, whose programs may take as long as is usual for a command."""
        with self.acts.hold(label, min(PATIENCE_S, self.left_s())) as fd:
            deadline_s = time.monotonic() + min(self.options.command_limit_s, self.left_s())
            yield Effort(deadline_s, fd, self.links.get(definition))

    @contextmanager
    def long_act(self, label: str, definition: PoolDefinition) -> Iterator[Effort]:
        """Lock an object for an act that may take as long as the caller waits: copying, wiping."""
        with self.acts.hold(label, min(PATIENCE_S, self.left_s())) as fd:
            yield Effort(calling.deadline_s(), fd, self.links.get(definition))

    def glance(self, pool: Pool) -> Effort:
        """What a look at a pool may cost, which locks nothing."""
        return Effort(calling.deadline_s(), link=self.links.get(pool.definition))

    @staticmethod
    def more_time(effort: Effort) -> Effort:
        """Take time to undo something, since that of the act itself may be over."""
        return replace(effort, deadline_s=time.monotonic() + UNDO_LIMIT_S)

    def look(self, pool: Pool, volume: object) -> Look:
        """Look at a volume of a usable pool. Raises NO_STORAGE_VOL."""
        return look(pool, volume, self.context.persistent, self.glance(pool))

    def need_usable(self, pool: Pool) -> None:
        """Raise if an active pool cannot be used now (unmounted, vanished); show it, and stop showing it when it is back.

        May ask the secret driver for a remote pool's key, so no lock may be held.
        """
        self.links.reach(pool.definition)
        trouble = self.trouble(pool)
        if trouble:
            raise DriverError(
                trouble,
                code=Code.OPERATION_INVALID,
                subject=pool.subject,
                hint=f"when it is back: tierhost call storage.storage_pool_refresh {pool.name}",
            )

    def trouble(self, pool: Pool) -> str:
        """Say why an active pool cannot be used now, and show it in the status."""
        trouble = pool.backend.trouble(pool.definition, pool.facts, self.glance(pool))
        if trouble:
            self.context.degrade(pool.subject, trouble)
        else:
            self.context.mend(pool.subject)
        return trouble
