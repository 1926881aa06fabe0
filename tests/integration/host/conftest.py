"""A real host on a private root, torn down whatever happens: only what it started, found by its own records."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tierhost.host import launch
from tierhost.host.shell import cgroups, procfs
from tierhost.host.shell.lives import Lives
from tierhost.ipc.client import Client
from tierhost.ipc.paths import Root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE_S = 20.0
FEW = 'built_in = ["secret", "storage", "qemu"]\n'


def until(condition: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    """Return the condition's first true value; the outside world gives no event for it."""
    deadline_s = time.monotonic() + patience_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline_s:
            pytest.fail(f"not within {patience_s} s: {what}")
        time.sleep(0.005)


@dataclass
class Site:
    """One root and the hosts that ran on it."""

    folder: Path
    running: launch.Running | None = None
    extra: list[str] = field(default_factory=list)

    @property
    def root(self) -> Root:
        return Root.under(self.folder)

    def start(self, *drivers: type, options: tuple[str, ...] = ()) -> launch.Running:
        """Start a host (again) with these driver classes, beside a few of the built-in ones unless a configuration is named."""
        if "--config" not in options:
            config = self.folder / "few.toml"
            config.write_text(FEW)
            options = (*options, "--config", str(config))
        self.running = launch.start(self.root, self.folder, drivers=drivers, options=options)
        return self.running

    def client(self) -> Client:
        return Client(self.root, deadline_s=PATIENCE_S)

    def driver(self, name: str) -> dict[str, Any]:
        """What `status` says of one driver."""
        with self.client() as client:
            rows: list[dict[str, Any]] = client.host("status")["drivers"]
        return next(row for row in rows if row["name"] == name)

    def wait_phase(self, name: str, phase: str, *, above: int = 0) -> dict[str, Any]:
        """Wait until a driver is in a phase, in a life later than `above`."""

        def there() -> dict[str, Any] | None:
            row = self.driver(name)
            return row if row["phase"] == phase and row["incarnation"] > above else None

        found: dict[str, Any] = until(there, f"{name} is {phase} in a life after {above}")
        return found

    def tear_down(self) -> None:
        """Kill the host, then every life and spare it left, by its own cgroup and by its records."""
        if self.running is not None and self.running.process.poll() is None:
            self.running.kill()
        if self.root.lives.exists():
            for life in Lives(self.root.lives).read()[0]:
                if procfs.start_time(life.pid) == life.start_time:
                    os.kill(life.pid, signal.SIGKILL)
                cgroups.kill_all(life.cgroup, life.pid)
        fence = cgroups.Fence.build(self.root.run)
        # Spares that hang in an import of theirs have no record.
        cgroups.end(fence.folders())
        until(lambda: all(cgroups.remove(folder) for folder in fence.folders()), "every cgroup of the site is empty")
        fence.remove()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture
def site() -> Iterator[Site]:
    """Give a test its own root under a path short enough for sockets."""
    made = Site(Path(tempfile.mkdtemp(prefix="th", dir="/tmp")))
    try:
        yield made
    finally:
        made.tear_down()
