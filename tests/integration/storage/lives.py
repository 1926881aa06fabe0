"""Drive the storage driver in-process, one life after the other, over stores and mounts that are real."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from tierhost.workers.runtime import calling
from tierhost.workers.runtime.contract import Caller, Code, Context, DriverError
from tierhost.workers.runtime.jobs import Jobs
from tierhost.workers.runtime.store import Store
from tierhost.workers.storage.driver import StorageDriver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tierhost.workers.runtime.services import Services

QEMU = Caller(uid=0, gid=0, pid=1, driver="qemu", incarnation=1)


class FakeSecret:
    """Stands in for the secret driver; refuses, as the real services do, to be called while a lock is held."""

    def __init__(self, values: Mapping[str, bytes], jobs: Jobs) -> None:
        self._values, self._jobs = values, jobs

    def get_value(self, uuid: str = "", usage_type: str = "", usage_id: str = "") -> bytes:
        assert not self._jobs.held(), "a lock is held across a call to another worker"
        if (uuid or usage_id) not in self._values:
            raise DriverError("no such secret", code=Code.NO_SECRET, subject=f"secret {uuid or usage_id}")
        return self._values[uuid or usage_id]


@dataclass
class FakeServices:
    secret: FakeSecret


@dataclass
class Life:
    """One life of the driver, and what it told its host."""

    driver: StorageDriver
    context: Context
    degraded: dict[str, str] = field(default_factory=dict)
    events: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    later: list[Callable[[], None]] = field(default_factory=list)

    def kinds(self) -> list[str]:
        return [kind for kind, _, _ in self.events]

    def active(self) -> list[str]:
        return [pool["name"] for pool in self.driver.storage_pool_list() if pool["state"] == "active"]

    def run_later(self) -> None:
        """Let the time come for everything that was put off."""
        now, self.later[:] = list(self.later), []
        for function in now:
            function()


@dataclass
class Site:
    """The folders of one storage driver, and the secrets there are."""

    folder: Path
    secrets: dict[str, bytes] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=lambda: {"luks_iterations": 1000})
    boot_id: str = "boot-1"

    @contextlib.contextmanager
    def life(self, *, incarnation: int = 1) -> Iterator[Life]:
        """Live once, from initialize until the stores are closed: what a crash leaves is the same."""
        life = self.begin(incarnation=incarnation)
        try:
            life.driver.state_initialize(privileged=True, inhibit=lambda **_: None)
            yield life
        finally:
            # The death of a process closes its sockets: the processes that speak for its pools end with it.
            life.driver.bench.links.close()
            life.context.persistent.close()
            life.context.run.close()

    def begin(self, *, incarnation: int = 1) -> Life:
        """Make a life that is not initialized yet."""
        life = cast("Life", None)
        state_dir, run_dir = self.folder / "state", self.folder / "run"
        jobs = Jobs()
        degraded: dict[str, str] = {}
        events: list[tuple[str, str, dict[str, Any]]] = []
        later: list[Callable[[], None]] = []
        context = Context(
            name="storage",
            incarnation=incarnation,
            boot_id=self.boot_id,
            privileged=True,
            state_dir=state_dir,
            run_dir=run_dir,
            config=self.options,
            persistent=Store.open(state_dir, "persistent", boot_id=None),
            run=Store.open(run_dir, "run", boot_id=self.boot_id),
            services=cast("Services", FakeServices(FakeSecret(self.secrets, jobs))),
            jobs=jobs,
            emit=lambda kind, subject, details: events.append((kind, subject, dict(details))),
            degrade=degraded.__setitem__,
            mend=lambda subject: cast("None", degraded.pop(subject, None)),
            later=lambda _seconds, function: later.append(function),
            caller=calling.CALLER.get,
        )
        life = Life(StorageDriver(context), context, degraded, events, later)
        for store in (context.persistent, context.run):
            store.watch(lambda subject, trouble: degraded.__setitem__(subject, trouble) if trouble else None)
        return life


@contextlib.contextmanager
def asked_by(caller: Caller) -> Iterator[None]:
    """Make the calls in this block on behalf of a worker."""
    token = calling.CALLER.set(caller)
    try:
        yield
    finally:
        calling.CALLER.reset(token)


@contextlib.contextmanager
def in_call(call_id: bytes) -> Iterator[None]:
    """Make the change in this block under a call id, as the runtime does."""
    token = calling.CALL_ID.set(call_id)
    try:
        yield
    finally:
        calling.CALL_ID.reset(token)


@contextlib.contextmanager
def within(limit_s: float) -> Iterator[None]:
    """Make the calls in this block for a caller who waits so long."""
    token = calling.DEADLINE_S.set(time.monotonic() + limit_s)
    try:
        yield
    finally:
        calling.DEADLINE_S.reset(token)
