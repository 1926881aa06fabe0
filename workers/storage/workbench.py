"""What all parts of the driver work with, made anew by initialize: pools, who uses them, locks, deadlines."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from tierhost.workers.runtime import calling
from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.storage.acts import Acts
from tierhost.workers.storage.backend import Effort
from tierhost.workers.storage.occupancy import Occupancy
from tierhost.workers.storage.options import read_options
from tierhost.workers.storage.registry import Pools

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierhost.workers.runtime.contract import Context
    from tierhost.workers.storage.registry import Pool

PATIENCE_S: Final = 2.0
"""How long a program of an earlier life, killed with it, may take to be gone."""


class Workbench:
    """One life's view of the pools."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.options = read_options(context.config)
        self.pools = Pools()
        self.occupancy = Occupancy(context.run)
        self.acts = Acts(context.run_dir / "acts")

    def left_s(self) -> float:
        """How long whoever asked still waits."""
        return max(0.0, calling.deadline_s() - time.monotonic())

    @contextmanager
    def act(self, label: str) -> Iterator[Effort]:
        """Lock an object for an act on the world, whose programs may take as long as is usual for a command."""
        with self.acts.hold(label, min(PATIENCE_S, self.left_s())) as fd:
            yield Effort(time.monotonic() + min(self.options.command_limit_s, self.left_s()), fd)

    @contextmanager
    def long_act(self, label: str) -> Iterator[Effort]:
        """Lock an object for an act that may take as long as the caller waits: copying, wiping."""
        with self.acts.hold(label, min(PATIENCE_S, self.left_s())) as fd:
            yield Effort(calling.deadline_s(), fd)

    def need_usable(self, pool: Pool) -> None:
        """Raise if an active pool cannot be used now (unmounted, vanished); show it, and stop showing it when it is back."""
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
        trouble = pool.backend.trouble(pool.definition, pool.facts)
        if trouble:
            self.context.degrade(pool.subject, trouble)
        else:
            self.context.mend(pool.subject)
        return trouble
