"""Who uses what: guests that hold volumes, and changes under way, so that nothing is stopped or deleted under anybody."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tierhost.workers.runtime.store import Store

TABLE: Final = "holders"
HOLDERS_MAX: Final = 16_384
VOLUMES_PER_HOLDER_MAX: Final = 1024

Volume = tuple[str, str]
"""A pool's uuid and a volume's name."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody who uses volumes: a guest, by the name its driver gave, and that driver."""

    driver: str
    name: str

    @property
    def key(self) -> str:
        """Its key in the run store."""
        return f"{self.driver}/{self.name}"


class Occupancy:
    """The holders (kept in the run store: guests outlive us) and the changes under way (in memory: they do not).

    One short lock makes "check that nobody uses it, then begin" a single step. It is never held while anything waits.
    """

    def __init__(self, run: Store) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._held: dict[Holder, frozenset[Volume]] = {}
        self._changing: set[Volume] = set()
        self._reading: Counter[Volume] = Counter()
        self._stopping: set[str] = set()
        for row in run.all(TABLE).values():
            self._held[Holder(row["driver"], row["holder"])] = frozenset((pool, volume) for pool, volume in row["volumes"])

    def hold(self, holder: Holder, volume: Volume, subject: str) -> None:
        """Record that a holder uses a volume, durably. Refused while the volume changes or its pool is being stopped."""
        with self._lock:
            self._refuse_if_changing(volume, subject)
            had = self._held.get(holder, frozenset())
            if volume in had:
                return
            if len(had) >= VOLUMES_PER_HOLDER_MAX or len(self._held) >= HOLDERS_MAX:
                raise DriverError("too many volumes are held", code=Code.RESOURCE_BUSY, subject=holder.name)
            self._record(holder, had | {volume})

    def release(self, holder: Holder) -> None:
        """Forget a holder: its guest is gone."""
        with self._lock:
            self._record(holder, frozenset())

    def replace(self, driver: str, held: Mapping[str, frozenset[Volume]]) -> None:
        """Make `held` all that this driver's guests hold: its word after a restart."""
        with self._lock:
            wanted = {Holder(driver, name): volumes for name, volumes in held.items() if volumes}
            gone = [holder for holder in self._held if holder.driver == driver and holder not in wanted]
            with self._run.transaction() as t:
                for holder in gone:
                    t.delete(TABLE, holder.key)
                for holder, volumes in wanted.items():
                    t.put(TABLE, holder.key, _row(holder, volumes))
            for holder in gone:
                del self._held[holder]
            self._held.update(wanted)

    def holders(self, pool: str, volume: str | None = None) -> list[str]:
        """Name who uses a volume, or anything of a pool."""
        with self._lock:
            return self._holders(pool, volume)

    def count(self) -> int:
        """Count the holders."""
        return len(self._held)

    @contextmanager
    def changing(self, volume: Volume, subject: str, *, under_guests: bool = False) -> Iterator[None]:
        """Keep everybody else off a volume while it changes; refused while a guest or another change uses it."""
        with self._lock:
            self._refuse_if_changing(volume, subject)
            if self._reading[volume]:
                raise DriverError("it is being read", code=Code.RESOURCE_BUSY, subject=subject)
            holders = self._holders(*volume)
            if holders and not under_guests:
                raise in_use(subject, holders)
            self._changing.add(volume)
        try:
            yield
        finally:
            with self._lock:
                self._changing.discard(volume)

    @contextmanager
    def reading(self, volume: Volume, subject: str) -> Iterator[None]:
        """Keep a volume from being changed while it is copied."""
        with self._lock:
            self._refuse_if_changing(volume, subject)
            self._reading[volume] += 1
        try:
            yield
        finally:
            with self._lock:
                self._reading[volume] -= 1
                self._reading += Counter()  # drops what is zero

    @contextmanager
    def stopping(self, pool: str, subject: str) -> Iterator[None]:
        """Keep new users off a pool while it is stopped; refused while anybody uses one of its volumes."""
        with self._lock:
            holders = self._holders(pool, None)
            if holders:
                raise in_use(subject, holders)
            busy = sorted({name for uuid, name in (*self._changing, *self._reading) if uuid == pool})
            if busy:
                raise DriverError(f"changes are under way: volume {', '.join(busy)}", code=Code.RESOURCE_BUSY, subject=subject)
            self._stopping.add(pool)
        try:
            yield
        finally:
            with self._lock:
                self._stopping.discard(pool)

    def _refuse_if_changing(self, volume: Volume, subject: str) -> None:
        if volume[0] in self._stopping:
            raise DriverError("its pool is being stopped", code=Code.RESOURCE_BUSY, subject=subject)
        if volume in self._changing:
            raise DriverError("a change of it is under way", code=Code.RESOURCE_BUSY, subject=subject)

    def _holders(self, pool: str, volume: str | None) -> list[str]:
        return sorted(
            holder.name
            for holder, volumes in self._held.items()
            if any(uuid == pool and volume in {None, name} for uuid, name in volumes)
        )

    def _record(self, holder: Holder, volumes: frozenset[Volume]) -> None:
        if volumes:
            self._run.put(TABLE, holder.key, _row(holder, volumes))
            self._held[holder] = volumes
        elif holder in self._held:
            self._run.delete(TABLE, holder.key)
            del self._held[holder]


def in_use(subject: str, holders: list[str]) -> DriverError:
    """Make the error that names the guests."""
    return DriverError(
        f"in use by {', '.join(holders[:8])}",
        code=Code.RESOURCE_BUSY,
        subject=subject,
        hint="shut the guest down or detach the disk first",
    )


def _row(holder: Holder, volumes: frozenset[Volume]) -> dict[str, Any]:
    return {"driver": holder.driver, "holder": holder.name, "volumes": sorted([pool, volume] for pool, volume in volumes)}
