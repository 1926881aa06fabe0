"""A real host as a target: with the driver `secret`, and one more that answers what it is asked."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.ending import end_host
from tests.integration.host.drivers import make
from tests.waiting import until
from tierhost.drills.history import Journaled, Look
from tierhost.drills.sweeping import sweep
from tierhost.host import launch
from tierhost.ipc.client import Client
from tierhost.ipc.paths import Root

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierhost.drills.plan import Ask

PATIENCE_S = 20.0
CONFIG = """\
built_in = ["secret"]

[restart]
intensity_max = 1000
backoff_max_s = 0
"""

Echo = make("echo")


@dataclass
class Site:
    """One root with a host, as faults see it."""

    folder: Path
    name: str = "small"
    options: tuple[str, ...] = ()
    drivers: tuple[type, ...] = (Echo,)
    config: str = CONFIG
    started: list[launch.Running] = field(default_factory=list)

    @property
    def root(self) -> Root:
        return Root.under(self.folder)

    def start(self) -> None:
        config = self.folder / "tierhost.toml"
        config.write_text(self.config)
        options = ("--config", str(config), *self.options)
        self.started.append(launch.start(self.root, self.folder, drivers=self.drivers, options=options))

    def client(self) -> Client:
        return Client(self.root, deadline_s=PATIENCE_S)

    def ask(self, ask: Ask) -> Any:
        with self.client() as client:
            return client.call(ask.method, *ask.args, deadline_s=ask.deadline_s)

    def call(self, method: str, *args: Any, deadline_s: float = PATIENCE_S) -> Any:
        with self.client() as client:
            return client.call(method, *args, deadline_s=deadline_s, changes=False)

    def row(self, driver: str) -> dict[str, Any]:
        with self.client() as client:
            rows: list[dict[str, Any]] = client.host("status")["drivers"]
        return next(row for row in rows if row["name"] == driver)

    def wait_next_life(self, driver: str, above: int) -> dict[str, Any]:
        def there() -> dict[str, Any] | None:
            row = self.row(driver)
            return row if row["phase"] == "READY" and row["incarnation"] > above else None

        return until(there, f"{driver} lives its next life")

    def pids(self, role: str) -> list[int]:
        if role == "host":
            return [int(self.root.lock.read_text())]
        pid = self.row(role)["pid"]
        return [pid] if pid else []

    def look(self, label: str) -> Look:
        return Look(0.0, label)

    def journal(self) -> list[Journaled]:
        return []

    def close(self) -> None:
        end_host(self.root)
        for running in self.started:
            running.process.wait(PATIENCE_S)
        sweep(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture
def site() -> Iterator[Site]:
    """One for a single test."""
    made = Site(Path(tempfile.mkdtemp(prefix="thf", dir="/tmp")))
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def shared() -> Iterator[Site]:
    """One for all tests of a file, each of which leaves it as it was."""
    made = Site(Path(tempfile.mkdtemp(prefix="thf", dir="/tmp")))
    try:
        made.start()
        yield made
    finally:
        made.close()
