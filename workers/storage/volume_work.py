"""How a volume is made, deleted, resized and wiped: intent, act, outcome; and how one that was cut short is settled."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from tierhost.workers.runtime.contract import Code, DriverError, TierhostError
from tierhost.workers.runtime.store import StoreFailed
from tierhost.workers.storage.acts import may_still_happen
from tierhost.workers.storage.looking import TABLE, forget_vanished, look, volume_subject
from tierhost.workers.storage.state import VolumeAct, VolumeSettlement, settle_volume
from tierhost.workers.storage.volume_names import is_volume_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tierhost.workers.storage.backend import Effort
    from tierhost.workers.storage.looking import Look
    from tierhost.workers.storage.registry import Pool
    from tierhost.workers.storage.volume_backend import Identity, Making
    from tierhost.workers.storage.workbench import Workbench

Facts = dict[str, Any]


class VolumeWork:
    """Changes volumes. Intents are persistent: a half-made volume outlives a reboot, so must the knowledge of it."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._rows = bench.context.persistent

    def make(self, pool: Pool, making: Making, row: Facts, reply: Facts) -> None:
        """Make a volume; it shows when it is whole and durable. `row` is what is recorded, `reply` what its maker is answered."""
        name, volumes = making.wanted.name, pool.volumes
        with self._changing(pool, name) as effort:
            self._settle(pool, name, effort)
            if volumes.exists(pool, name, effort):
                raise DriverError("it exists already", code=Code.STORAGE_VOL_EXIST, subject=volume_subject(pool, name))
            token = volumes.token(pool)
            self._intend(pool, name, VolumeAct.MAKE, {"half_made": token, "row": row, "reply": reply})
            identity = None
            try:
                identity = volumes.fill(pool, token, making, effort)
                volumes.publish(pool, token, making, effort)
                self._made(pool.row_key(name), identity, row, reply)
            except (DriverError, OSError) as error:
                if not may_still_happen(error):
                    self._unmake(pool, name, token, identity, effort)
                raise _typed(error, pool, name) from None

    def _made(self, key: str, identity: Identity, row: Facts, reply: Facts) -> None:
        with self._rows.transaction() as t:
            t.put(TABLE, key, {**row, "inode": identity})
            t.settle(_intent(key), reply=reply)
            t.reply(reply)

    def _unmake(self, pool: Pool, name: str, token: str, identity: Identity | None, effort: Effort) -> None:
        """Take back a volume whose making failed, wherever it failed. What cannot be taken back stays intended."""
        with suppress(OSError, StoreFailed, DriverError):
            pool.volumes.unmake(pool, name, token, identity, self._bench.more_time(effort))
            self._abandon(pool.row_key(name))

    def delete(self, pool: Pool, name: str, *, zeroed: bool) -> None:
        """Delete a volume; `zeroed` overwrites it first."""
        with self._changing(pool, name) as effort:
            found = self._look(pool, name, effort)
            self._intend(pool, name, VolumeAct.DELETE, {})
            with self._abandoning(pool, name):
                if zeroed:
                    pool.volumes.wipe(pool, found, effort)
                pool.volumes.remove(pool, found, effort)
            key = pool.row_key(name)
            with self._rows.transaction() as t:
                t.delete(TABLE, key)
                t.settle(_intent(key))
                t.reply(None)

    def resize(self, pool: Pool, seen: Look, capacity: int, *, allocate: bool, under_guests: bool) -> None:
        """Give a volume another capacity, if it still is what the caller saw."""
        with self._changing(pool, seen.name, under_guests=under_guests) as effort:
            found = self._look(pool, seen.name, effort)
            self._intend(pool, seen.name, VolumeAct.RESIZE, {"capacity": capacity})
            with self._abandoning(pool, seen.name):
                if found.header != seen.header:
                    raise DriverError("it was changed meanwhile", code=Code.RESOURCE_BUSY, hint="try again")
                pool.volumes.resize(pool, found, capacity, effort, allocate=allocate)
            with self._rows.transaction() as t:
                t.settle(_intent(pool.row_key(seen.name)))
                t.reply(None)

    def wipe(self, pool: Pool, name: str) -> None:
        """Overwrite a volume with zeros. What is left is raw: its headers, and the key of an encrypted one, are gone."""
        with self._changing(pool, name) as effort:
            found = self._look(pool, name, effort)
            self._intend(pool, name, VolumeAct.WIPE, {})
            with self._abandoning(pool, name):
                pool.volumes.wipe(pool, found, effort)
            key = pool.row_key(name)
            row = {"format": "raw", "encryption": None, "extras": list(found.extras), "inode": found.identity}
            with self._rows.transaction() as t:
                t.put(TABLE, key, row)
                t.settle(_intent(key))
                t.reply(None)

    def write(self, pool: Pool, name: str, offset: int, data: bytes, check: Callable[[Look], None]) -> None:
        """Write a piece. No intent: who is not answered writes the same bytes again."""
        with self._changing(pool, name) as effort:
            found = self._look(pool, name, effort)
            check(found)
            try:
                pool.volumes.write(pool, found, offset, data, effort)
            except (DriverError, OSError) as error:
                raise _typed(error, pool, name) from None

    # Settling what was cut short.

    def settle_all(self, pool: Pool) -> None:
        """Settle what earlier lives left half done in a pool; called when the pool is there. Also forgets vanished volumes."""
        for name in self._unsettled(pool):
            try:
                with self._changing(pool, name, under_guests=True) as effort:
                    self._settle(pool, name, effort)
            except (TierhostError, OSError) as error:
                self._bench.context.degrade(volume_subject(pool, name), f"a change that was cut short cannot be settled: {error}")
        with suppress(DriverError, OSError):  # the next look does it
            forget_vanished(pool, self._rows, self._bench.glance(pool))

    def _unsettled(self, pool: Pool) -> list[str]:
        keys = [facts["path"] for facts in self._rows.intents().values() if "path" in facts]
        names = [pool.volumes.name_of_row(pool.definition, key) for key in keys]
        return [name for name in names if name is not None]

    def _settle(self, pool: Pool, name: str, effort: Effort) -> None:
        key = pool.row_key(name)
        facts = self._rows.intents().get(_intent(key))
        if facts is None:
            return
        act = VolumeAct(facts["act"])
        if act is VolumeAct.MAKE:
            identity = pool.volumes.settle_making(pool, name, facts.get("half_made", ""), effort)
            happened = identity is not None
            if identity is not None:
                self._made(key, identity, facts["row"], facts["reply"])
        else:
            happened = self._settle_change(pool, name, act, facts, effort)
        if not happened:
            self._abandon(key)
        self._bench.context.mend(volume_subject(pool, name))
        details = {"pool": pool.name, "act": act.value, "happened": happened}
        self._bench.context.emit("volume-settled", name, details)

    def _settle_change(self, pool: Pool, name: str, act: VolumeAct, facts: Mapping[str, Any], effort: Effort) -> bool:
        there = pool.volumes.exists(pool, name, effort)
        as_wanted = False
        if there and act is VolumeAct.RESIZE:
            with suppress(DriverError):
                as_wanted = look(pool, name, self._rows, effort).header.capacity == facts.get("capacity")
        if settle_volume(act, half_made=False, there=there, as_wanted=as_wanted) is not VolumeSettlement.COMPLETE:
            return False
        key = pool.row_key(name)
        with self._rows.transaction() as t:
            if act is VolumeAct.DELETE:
                t.delete(TABLE, key)
            t.settle(_intent(key))
        return True

    # Steps.

    @contextmanager
    def _changing(self, pool: Pool, name: str, *, under_guests: bool = False) -> Iterator[Effort]:
        """Have a volume to oneself: against other changes, guests, and programs of an earlier life."""
        subject = volume_subject(pool, name)
        with (
            self._bench.context.jobs.changing(subject),
            self._bench.occupancy.changing((pool.uuid, name), subject, under_guests=under_guests),
            self._bench.long_act(f"volume {pool.uuid}/{name}", pool.definition) as effort,
        ):
            try:
                yield effort
            except OSError as error:
                raise _typed(error, pool, name) from None

    def _look(self, pool: Pool, name: str, effort: Effort) -> Look:
        if is_volume_name(name):
            self._settle(pool, name, effort)
        return look(pool, name, self._rows, effort)

    def _intend(self, pool: Pool, name: str, act: VolumeAct, facts: Facts) -> None:
        key = pool.row_key(name)
        self._rows.intend(_intent(key), {"act": act.value, "path": key, "pool": pool.name, **facts})

    def _abandon(self, key: str) -> None:
        with self._rows.transaction() as t:
            t.abandon(_intent(key))

    @contextmanager
    def _abandoning(self, pool: Pool, name: str) -> Iterator[None]:
        """Turn what goes wrong into a typed error after which the change counts as never made."""
        try:
            yield
        except (DriverError, OSError) as error:
            if not may_still_happen(error):
                self._abandon(pool.row_key(name))
            raise _typed(error, pool, name) from None


def _intent(key: str) -> str:
    return f"volume {key}"


def _typed(error: DriverError | OSError, pool: Pool, name: str) -> DriverError:
    if isinstance(error, DriverError):
        error.subject = error.subject or volume_subject(pool, name)
        return error
    if isinstance(error, FileExistsError):
        return DriverError("it exists already", code=Code.STORAGE_VOL_EXIST, subject=volume_subject(pool, name))
    return DriverError(
        f"{error.strerror}", code=Code.SYSTEM_ERROR, subject=volume_subject(pool, name), hint="is the pool full or read-only?"
    )
