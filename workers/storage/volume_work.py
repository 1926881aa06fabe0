"""How a volume is made, deleted, resized and wiped: intent, act, outcome; and how one that was cut short is settled."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tierhost.workers.runtime.commands import is_stuck
from tierhost.workers.runtime.contract import Code, DriverError, TierhostError
from tierhost.workers.runtime.store import StoreFailed
from tierhost.workers.storage import files
from tierhost.workers.storage.looking import TABLE, forget_vanished, look, volume_subject
from tierhost.workers.storage.state import VolumeAct, VolumeSettlement, settle_volume

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tierhost.workers.storage.backend import Effort
    from tierhost.workers.storage.looking import Look
    from tierhost.workers.storage.pool_xml import Permissions
    from tierhost.workers.storage.registry import Pool
    from tierhost.workers.storage.workbench import Workbench

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Making:
    """A volume to be made: what is recorded of it, how its file gets its contents, and what its maker is answered."""

    name: str
    row: Row
    permissions: Permissions
    fill: Callable[[str, Effort], None]
    reply: Row


class VolumeWork:
    """Changes volumes. Intents are persistent: a half-made file outlives a reboot, so must the knowledge of it."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._rows = bench.context.persistent

    def make(self, pool: Pool, making: Making) -> None:
        """Make a volume under a hidden name, and show it when it is whole and durable."""
        path, half_made = pool.path(making.name), pool.path(files.half_made_name())
        with self._changing(pool, making.name) as effort:
            self._settle(pool, path)
            if os.path.lexists(path):
                raise DriverError("it exists already", code=Code.STORAGE_VOL_EXIST, subject=volume_subject(pool, making.name))
            facts = {"half_made": half_made, "row": making.row, "reply": making.reply}
            self._intend(pool, path, VolumeAct.MAKE, facts)
            inode = None
            try:
                making.fill(half_made, effort)
                inode = os.lstat(half_made).st_ino
                files.publish(half_made, path, making.permissions)
                self._made(path, making.row, making.reply)
            except (DriverError, OSError) as error:
                if not is_stuck(error):
                    self._unmake(path, half_made, inode)
                raise _typed(error, pool, making.name) from None

    def _made(self, path: str, row: Row, reply: Row) -> None:
        with self._rows.transaction() as t:
            t.put(TABLE, path, {**row, "inode": os.lstat(path).st_ino})
            t.settle(_intent(path), reply=reply)
            t.reply(reply)

    def _unmake(self, path: str, half_made: str, inode: int | None) -> None:
        """Take back a volume whose making failed, wherever it failed. What cannot be taken back stays intended."""
        with suppress(OSError, StoreFailed):
            if inode is not None and os.path.lexists(path) and os.lstat(path).st_ino == inode:
                files.remove(path)
            files.remove(half_made)
            self._abandon(path)

    def delete(self, pool: Pool, name: str, *, zeroed: bool) -> None:
        """Delete a volume; `zeroed` overwrites it first."""
        with self._changing(pool, name) as effort:
            path = self._look(pool, name).path
            self._intend(pool, path, VolumeAct.DELETE, {})
            with self._abandoning(pool, path, name):
                if zeroed:
                    files.wipe(path, effort.deadline_s)
                files.remove(path)
            with self._rows.transaction() as t:
                t.delete(TABLE, path)
                t.settle(_intent(path))
                t.reply(None)

    def resize(self, pool: Pool, name: str, capacity: int, act: Callable[[Look, Effort], None], *, under_guests: bool) -> None:
        """Give a volume another capacity."""
        with self._changing(pool, name, under_guests=under_guests) as effort:
            found = self._look(pool, name)
            self._intend(pool, found.path, VolumeAct.RESIZE, {"capacity": capacity})
            with self._abandoning(pool, found.path, name):
                act(found, effort)
            with self._rows.transaction() as t:
                t.settle(_intent(found.path))
                t.reply(None)

    def wipe(self, pool: Pool, name: str) -> None:
        """Overwrite a volume with zeros. What is left is raw: its headers, and the key of an encrypted one, are gone."""
        with self._changing(pool, name) as effort:
            found = self._look(pool, name)
            self._intend(pool, found.path, VolumeAct.WIPE, {})
            with self._abandoning(pool, found.path, name):
                files.wipe(found.path, effort.deadline_s)
            with self._rows.transaction() as t:
                t.put(
                    TABLE, found.path, {"format": "raw", "encryption": None, "extras": list(found.extras), "inode": found.inode}
                )
                t.settle(_intent(found.path))
                t.reply(None)

    def write(self, pool: Pool, name: str, offset: int, data: bytes, check: Callable[[Look], None]) -> None:
        """Write a piece. No intent: who is not answered writes the same bytes again."""
        with self._changing(pool, name):
            found = self._look(pool, name)
            check(found)
            try:
                files.write_piece(found.path, offset, data)
            except OSError as error:
                raise _typed(error, pool, name) from None

    # Settling what was cut short.

    def settle_all(self, pool: Pool) -> None:
        """Settle what earlier lives left half done in a pool; called when the pool is there. Also forgets vanished files."""
        for path in self._unsettled(pool):
            name = os.path.basename(path)
            try:
                with self._changing(pool, name, under_guests=True):
                    self._settle(pool, path)
            except (TierhostError, OSError) as error:
                self._bench.context.degrade(volume_subject(pool, name), f"a change that was cut short cannot be settled: {error}")
        forget_vanished(pool, self._rows)

    def _unsettled(self, pool: Pool) -> list[str]:
        folder = pool.definition.target
        found = [facts["path"] for facts in self._rows.intents().values() if "path" in facts]
        return [path for path in found if os.path.dirname(path) == folder]

    def _settle(self, pool: Pool, path: str) -> None:
        facts = self._rows.intents().get(_intent(path))
        if facts is None:
            return
        act, half_made = VolumeAct(facts["act"]), facts.get("half_made", "")
        settlement = settle_volume(
            act,
            half_made=bool(half_made) and os.path.lexists(half_made),
            there=os.path.lexists(path),
            as_wanted=self._as_wanted(pool, path, facts),
        )
        if half_made:
            files.remove(half_made)
        if settlement is VolumeSettlement.COMPLETE:
            self._complete(path, act, facts)
        else:
            self._abandon(path)
        details = {"pool": pool.name, "act": act.value, "outcome": settlement.name.lower()}
        self._bench.context.mend(volume_subject(pool, os.path.basename(path)))
        self._bench.context.emit("volume-settled", os.path.basename(path), details)

    def _as_wanted(self, pool: Pool, path: str, facts: Mapping[str, Any]) -> bool:
        """Whether the file is what the change was to make of it."""
        try:
            if facts["act"] == VolumeAct.MAKE.value:
                return os.path.samestat(os.lstat(path), os.lstat(facts["half_made"]))
            return look(pool, os.path.basename(path), self._rows).header.capacity == facts.get("capacity")
        except (DriverError, OSError):
            return False

    def _complete(self, path: str, act: VolumeAct, facts: Mapping[str, Any]) -> None:
        if act is VolumeAct.MAKE:
            self._made(path, facts["row"], facts["reply"])
            return
        with self._rows.transaction() as t:
            if act is VolumeAct.DELETE:
                t.delete(TABLE, path)
            t.settle(_intent(path))

    # Steps.

    @contextmanager
    def _changing(self, pool: Pool, name: str, *, under_guests: bool = False) -> Iterator[Effort]:
        """Have a volume to oneself: against other changes, guests, and programs of an earlier life."""
        subject = volume_subject(pool, name)
        with (
            self._bench.context.jobs.changing(subject),
            self._bench.occupancy.changing((pool.uuid, name), subject, under_guests=under_guests),
            self._bench.long_act(f"volume {pool.uuid}/{name}") as effort,
        ):
            yield effort

    def _look(self, pool: Pool, name: str) -> Look:
        self._settle(pool, pool.path(name))
        return look(pool, name, self._rows)

    def _intend(self, pool: Pool, path: str, act: VolumeAct, facts: Row) -> None:
        self._rows.intend(_intent(path), {"act": act.value, "path": path, "pool": pool.name, **facts})

    def _abandon(self, path: str) -> None:
        with self._rows.transaction() as t:
            t.abandon(_intent(path))

    @contextmanager
    def _abandoning(self, pool: Pool, path: str, name: str) -> Iterator[None]:
        """Turn what goes wrong into a typed error after which the change counts as never made."""
        try:
            yield
        except (DriverError, OSError) as error:
            if not is_stuck(error):
                self._abandon(path)
            raise _typed(error, pool, name) from None


def _intent(path: str) -> str:
    return f"volume {path}"


def _typed(error: DriverError | OSError, pool: Pool, name: str) -> DriverError:
    if isinstance(error, DriverError):
        error.subject = error.subject or volume_subject(pool, name)
        return error
    if isinstance(error, FileExistsError):
        return DriverError("it exists already", code=Code.STORAGE_VOL_EXIST, subject=volume_subject(pool, name))
    return DriverError(
        f"{error.strerror}", code=Code.SYSTEM_ERROR, subject=volume_subject(pool, name), hint="is the pool full or read-only?"
    )
