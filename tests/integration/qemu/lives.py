"""Drive the qemu driver in-process, one life after the other, over stores, processes and guests that are real."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import threading
import time
import uuid as uuids
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tests.integration.qemu.plugs import FakeFilter, FakeNetwork
from tests.waiting import until
from tierhost.workers.qemu.backend import Backend
from tierhost.workers.qemu.driver import QemuDriver
from tierhost.workers.runtime import calling
from tierhost.workers.runtime.contract import Code, Context, DriverError, PeerAbsent
from tierhost.workers.runtime.jobs import Jobs
from tierhost.workers.runtime.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierhost.workers.runtime.services import Services

BOOT_SECTOR = Path(__file__).parents[3] / "docs/examples/guest/boot.bin"
DISK_BYTES = 1 << 20


class Clockwork:
    """Runs what was put off, each in a thread of its own, until it is stopped: the runtime's `later`."""

    def __init__(self) -> None:
        self._stopped = False
        self._timers: set[threading.Timer] = set()
        self._lock = threading.Lock()
        self.failures: list[BaseException] = []

    def later(self, seconds: float, function: Callable[[], None]) -> None:
        def run() -> None:
            with self._lock:
                self._timers.discard(timer)
            try:
                function()
            except DriverError as error:
                self.failures.append(error)

        timer = threading.Timer(seconds, run)
        timer.daemon = True
        with self._lock:
            if not self._stopped:
                self._timers.add(timer)
                timer.start()

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            timers = list(self._timers)
        for timer in timers:
            timer.cancel()
        for timer in timers:
            timer.join(10.0)


@dataclass
class FakeStorage:
    """Stands in for the storage driver: volumes are paths; what is held is remembered; it can be down."""

    jobs: Jobs
    volumes: dict[tuple[str, str], dict[str, Any]]
    held: dict[str, list[list[str]]] = field(default_factory=dict)
    down: bool = False

    def _check(self) -> None:
        assert not self.jobs.held(), "a lock is held across a call to another worker"
        if self.down:
            raise PeerAbsent("it is down", subject="driver storage")

    def resolve_volume(self, pool: str, volume: str, holder: str) -> dict[str, Any]:
        self._check()
        if (pool, volume) not in self.volumes:
            raise DriverError("the pool is not active", code=Code.OPERATION_INVALID, subject=f"pool {pool}")
        self.held.setdefault(holder, []).append([pool, volume])
        return self.volumes[pool, volume]

    def hold_volumes(self, holders: dict[str, list[list[str]]]) -> dict[str, Any]:
        self._check()
        self.held = dict(holders)
        return {"unknown": []}


@dataclass
class FakeSecret:
    """Stands in for the secret driver."""

    jobs: Jobs
    values: dict[str, bytes]

    def get_value(self, uuid: str = "", usage_type: str = "", usage_id: str = "") -> bytes:
        assert not self.jobs.held(), "a lock is held across a call to another worker"
        if (uuid or usage_id) not in self.values:
            raise DriverError("no secret with matching usage", code=Code.NO_SECRET, subject=f"secret {uuid or usage_id}")
        return self.values[uuid or usage_id]


@dataclass
class FakeServices:
    storage: FakeStorage
    secret: FakeSecret
    network: FakeNetwork
    nwfilter: FakeFilter


@dataclass
class Life:
    """One life of the driver, and what it told its host."""

    driver: QemuDriver
    context: Context
    clockwork: Clockwork
    services: FakeServices
    degraded: dict[str, str] = field(default_factory=dict)
    events: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    inhibited: list[str] = field(default_factory=list)

    def told(self, kind: str, **details: Any) -> bool:
        """Whether an event of this kind, with these details, was told."""
        return any(told == kind and details.items() <= about.items() for told, _, about in self.events)

    def wait_told(self, kind: str, **details: Any) -> None:
        until(lambda: self.told(kind, **details), f"event {kind} {details}; there were {self.events}")

    def state(self, name: str) -> str:
        return self.driver.domain_get_state(name)["state"]

    def wait_state(self, name: str, state: str, reason: str = "") -> None:
        def there() -> bool:
            found = self.driver.domain_get_state(name)
            return found["state"] == state and reason in found["reason"]

        until(there, f"{name} is {state} {reason}; it is {self.driver.domain_get_state(name)}")

    def pid(self, name: str) -> int:
        return int(self.driver.domain_lookup_by_name(name)["pid"])

    def end(self) -> None:
        """What a crash leaves: nothing is said, nothing is written any more."""
        self.clockwork.stop()
        self.driver.state_cleanup()
        self.context.persistent.close()
        self.context.run.close()


@dataclass
class Site:
    """The folders of one qemu driver, its disks, and the other drivers as it sees them."""

    folder: Path
    secrets: dict[str, bytes] = field(default_factory=dict)
    volumes: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    boot_id: str = "boot-1"
    lives: list[Life] = field(default_factory=list)

    @property
    def run_dir(self) -> Path:
        return self.folder / "run"

    @property
    def state_dir(self) -> Path:
        return self.folder / "state"

    def begin(self) -> Life:
        """Make a life that is not initialized yet."""
        for folder in (self.run_dir, self.state_dir):
            folder.mkdir(mode=0o700, exist_ok=True)
        jobs, clockwork = Jobs(), Clockwork()
        degraded: dict[str, str] = {}
        events: list[tuple[str, str, dict[str, Any]]] = []
        services = FakeServices(
            FakeStorage(jobs, self.volumes), FakeSecret(jobs, self.secrets), FakeNetwork(jobs), FakeFilter(jobs, self.folder)
        )
        context = Context(
            name="qemu",
            incarnation=len(self.lives) + 1,
            boot_id=self.boot_id,
            privileged=True,
            state_dir=self.state_dir,
            run_dir=self.run_dir,
            config={},
            persistent=Store.open(self.state_dir, "persistent", boot_id=None),
            run=Store.open(self.run_dir, "run", boot_id=self.boot_id),
            services=cast("Services", services),
            jobs=jobs,
            emit=lambda kind, subject, details: events.append((kind, subject, dict(details))),
            degrade=degraded.__setitem__,
            mend=lambda subject: cast("None", degraded.pop(subject, None)),
            later=clockwork.later,
            caller=calling.CALLER.get,
        )
        life = Life(QemuDriver(context), context, clockwork, services, degraded, events)
        self.lives.append(life)
        return life

    def live(self) -> Life:
        """Begin the next life; the one before it, if there is one, has crashed."""
        if self.lives:
            self.lives[-1].end()
        life = self.begin()
        life.driver.state_initialize(privileged=True, inhibit=lambda *, held, why="": life.inhibited.append(why if held else ""))
        return life

    def disk(self, name: str = "disk") -> Path:
        """Make a disk the guest boots from."""
        path = self.folder / f"{name}.img"
        path.write_bytes(BOOT_SECTOR.read_bytes())
        os.truncate(path, DISK_BYTES)
        return path

    def console(self, name: str) -> str:
        """What a guest has said on its serial port."""
        path = self.folder / f"{name}.serial"
        return path.read_text() if path.exists() else ""

    def wait_up(self, name: str) -> None:
        until(lambda: "GUEST-UP" in self.console(name), f"{name} is up")

    def guest(self, name: str = "web", *, disk: str = "", devices: str = "", uuid: str = "", more: str = "") -> str:
        """The XML of a guest; without `disk` it boots from a fresh one."""
        disk = disk or f"<disk type='file'><source file='{self.disk(name)}'/><target dev='hda'/></disk>"
        identity = f"<uuid>{uuid}</uuid>" if uuid else ""
        serial = f"<serial type='file'><source path='{self.folder}/{name}.serial'/></serial>"
        return (
            f"<domain type='qemu'><name>{name}</name>{identity}<memory unit='MiB'>16</memory>"
            f"<os><type>hvm</type></os><features><acpi/></features>{more}"
            f"<devices>{disk}{serial}{devices}<memballoon model='none'/></devices></domain>"
        )

    def processes(self) -> dict[str, int]:
        """The QEMU processes of this site, as the kernel shows them."""
        return {uuid: found.process.pid for uuid, found in Backend(self.run_dir).survey().items()}

    def tear_down(self) -> None:
        """End every life and every guest, whatever their state."""
        for life in self.lives[-1:]:
            with contextlib.suppress(DriverError):
                life.end()
        for found in Backend(self.run_dir).survey().values():
            found.process.signal(signal.SIGCONT)
            found.process.kill(time.monotonic() + 5.0)
        shutil.rmtree(self.folder, ignore_errors=True)


def fresh_uuid() -> str:
    return str(uuids.uuid4())
