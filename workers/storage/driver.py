"""The storage driver: libvirt's verbs, and the services for drivers whose guests use volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierhost.workers.runtime.arguments import check_text
from tierhost.workers.runtime.contract import Code, DriverError, InhibitCallback, InitResult, TierhostError, service
from tierhost.workers.storage.asking import PoolQuestions
from tierhost.workers.storage.holding import holder_of, listed_volumes, resolve_chain
from tierhost.workers.storage.looking import volume_subject
from tierhost.workers.storage.pools import PoolChanges
from tierhost.workers.storage.together import together
from tierhost.workers.storage.volume_asking import VolumeQuestions
from tierhost.workers.storage.volumes import VolumeChanges

if TYPE_CHECKING:
    from tierhost.workers.storage.registry import Pool


class StorageDriver(PoolChanges, PoolQuestions, VolumeChanges, VolumeQuestions):
    """Knows pools and volumes, which pools are active and who uses them; brings exactly that back after a crash."""

    def state_initialize(self, *, privileged: bool, inhibit: InhibitCallback) -> InitResult:
        """Read the records, look at the world, settle what was under way. Starts nothing that was not active."""
        self.make_parts()
        self.restoring.restore()
        return InitResult.COMPLETE

    def state_auto_start(self) -> None:
        """Start the pools that are marked for it. One that fails is shown as degraded; the others start."""
        wanted = [pool for pool in self.bench.pools.all() if pool.autostart and not pool.active]
        for pool in together(self._auto_start, wanted, self.bench.left_s() * 0.8):
            self.context.degrade(pool.subject, "autostart: its storage does not answer")

    def _auto_start(self, pool: Pool) -> None:
        try:
            self.life.start(pool.uuid)
        except TierhostError as error:
            self.context.degrade(pool.subject, f"autostart failed: {error}")

    def state_reload(self) -> None:
        """Look at every active pool again; nothing is started or stopped."""
        self.tending.look_at([pool for pool in self.bench.pools.all() if pool.active])

    def state_cleanup(self) -> None:
        """Give up the ways to remote storage; what is mounted stays."""
        self.bench.links.close()

    def objects(self) -> dict[str, dict[str, int]]:
        """Count the pools, and who holds volumes of them."""
        pools = self.bench.pools.all()
        active = sum(1 for pool in pools if pool.active)
        return {
            "pools": {"active": active, "inactive": len(pools) - active},
            "holders": {"using volumes": self.bench.occupancy.count()},
        }

    # For drivers with guests. Said twice, each of these has the same effect as once: a caller may repeat them freely.

    @service()
    def resolve_volume(self, pool: str, volume: str, holder: str) -> dict[str, Any]:
        """Say what a disk on this volume needs to know, and record that `holder` ("guest UUID") uses it from now on.

        The pool must be active. Images below it (backing files) that are volumes too are held with it.
        """
        found = self.usable(pool)
        chain = resolve_chain(self.bench, found, volume)
        who = holder_of(self.context.caller(), holder)
        for member, seen in chain:
            self.bench.occupancy.hold(who, (member.uuid, seen.name), volume_subject(member, seen.name))
        top = chain[0][1]
        if top.header.damage:
            raise DriverError(top.header.damage, code=Code.OPERATION_FAILED, subject=volume_subject(found, volume))
        backing = {"path": top.backing_path, "format": top.header.backing_format} if top.backing_path else None
        encryption = (
            {"format": "luks", **(top.encryption or {"secret_uuid": "", "secret_usage": ""})} if top.header.luks else None
        )
        return {
            "pool": found.name,
            "volume": top.name,
            "path": top.path,
            "connection": found.volumes.connection(found, top),
            "format": top.header.format,
            "capacity": top.header.capacity,
            "encryption": encryption,
            "backing": backing,
        }

    @service()
    def release_volumes(self, holder: str) -> None:
        """Forget what this holder uses: its guest is gone."""
        self.bench.occupancy.release(holder_of(self.context.caller(), holder))

    @service()
    def hold_volumes(self, holders: dict[str, list[list[str]]]) -> dict[str, Any]:
        """Take the calling driver's whole word on who holds what: {"guest UUID": [[pool, volume], ...]}.

        It knows its guests, so nothing of it is refused; what is unknown here is returned and shown as an event.
        """
        who = holder_of(self.context.caller(), "all")
        held, unknown = listed_volumes(self.bench, holders)
        self.bench.occupancy.replace(who.driver, held)
        if unknown:
            self.context.emit("unknown-volumes-held", who.driver, {"volumes": unknown[:100]})
        return {"unknown": unknown[:1000]}

    @service()
    def lookup_path(self, path: str) -> dict[str, str] | None:
        """Say which volume of an active pool a path is, or None."""
        try:
            found = self.storage_vol_lookup_by_path(check_text(path, "path"))
        except DriverError as error:
            if error.code is Code.NO_STORAGE_VOL:
                return None
            raise
        return {"pool": found["pool"], "volume": found["name"]}
