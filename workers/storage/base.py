"""What the driver's groups of methods share: the parts that initialize makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierhost.workers.runtime.arguments import check_text
from tierhost.workers.runtime.contract import StateDriver
from tierhost.workers.storage.backend import backend_of
from tierhost.workers.storage.pool_life import PoolLife
from tierhost.workers.storage.pool_xml import PoolDefinition, parse_pool
from tierhost.workers.storage.restoring import Restoring
from tierhost.workers.storage.tending import Tending
from tierhost.workers.storage.volume_work import VolumeWork
from tierhost.workers.storage.workbench import Workbench

if TYPE_CHECKING:
    from tierhost.workers.storage.registry import Pool


class StorageBase(StateDriver):
    """Has the parts, and nothing to call."""

    bench: Workbench
    work: VolumeWork
    tending: Tending
    restoring: Restoring
    life: PoolLife

    def make_parts(self) -> None:
        """Make every part anew, from what the stores say."""
        self.bench = Workbench(self.context)
        self.work = VolumeWork(self.bench)
        self.tending = Tending(self.bench, self.work.settle_all)
        self.restoring = Restoring(self.bench, self.tending)
        self.life = PoolLife(self.bench, self.restoring, self.tending)

    def usable(self, name: object) -> Pool:
        """Return an active pool whose storage answers, or raise."""
        pool = self.bench.pools.find_active(name)
        self.bench.need_usable(pool)
        return pool

    @staticmethod
    def parse_pool(xml: object) -> PoolDefinition:
        """Parse a pool's XML with its type's back end."""
        return parse_pool(check_text(xml, "the definition"), backend_of)

    @staticmethod
    def told(definition: PoolDefinition) -> dict[str, Any]:
        """What whoever gave us a definition is answered."""
        return {"name": definition.name, "uuid": definition.uuid, "unread": list(definition.unread)}
