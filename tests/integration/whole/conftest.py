"""The example site on a host of its own; guests and mounts are gone afterwards, whatever happened."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tierhost.drills import leaks
from tierhost.drills.example_site import ExampleSite, ability
from tierhost.drills.sweeping import sweep
from tierhost.host import launch
from tierhost.ipc.client import Client
from tierhost.ipc.paths import Root

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_S = 20.0


@dataclass
class Whole:
    """A root, its host, and the example site on it."""

    folder: Path
    site: ExampleSite
    guests: dict[str, int] = field(default_factory=dict)
    hosts: list[launch.Running] = field(default_factory=list)

    @property
    def root(self) -> Root:
        return Root.under(self.folder)

    def start(self) -> launch.Running:
        self.hosts.append(launch.start(self.root, self.folder))
        return self.hosts[-1]

    def client(self) -> Client:
        return Client(self.root, deadline_s=PATIENCE_S)

    def driver(self, name: str) -> dict[str, Any]:
        with self.client() as client:
            rows: list[dict[str, Any]] = client.host("status")["drivers"]
        return next(row for row in rows if row["name"] == name)

    def wait_life_after(self, name: str, incarnation: int) -> dict[str, Any]:
        def there() -> dict[str, Any] | None:
            row = self.driver(name)
            return row if row["phase"] == "READY" and row["incarnation"] > incarnation else None

        with self.client() as client:
            return client.wait_until(there, f"{name} is ready in a life after {incarnation}", deadline_s=PATIENCE_S)

    def active(self) -> set[str]:
        with self.client() as client:
            pools = client.call("storage.storage_pool_list", changes=False)
        return {pool["name"] for pool in pools if pool["state"] == "active"}

    def running(self) -> dict[str, int]:
        with self.client() as client:
            guests = client.call("qemu.domain_list", changes=False)
        return {guest["name"]: guest["pid"] for guest in guests if guest["state"] == "running"}

    def others(self) -> list[int]:
        """Every process of the site but its guests."""
        return [pid for pid in leaks.processes(self.folder) if pid not in self.guests.values()]


@pytest.fixture
def whole() -> Iterator[Whole]:
    """The example site, up and running."""
    can = ability()
    if not (can.guests and can.encryption):
        pytest.skip("; ".join(can.missing))
    folder = Path(tempfile.mkdtemp(prefix="thw", dir="/tmp"))
    made = Whole(folder, ExampleSite(folder / "site", can))
    try:
        made.start()
        with made.client() as client:
            made.site.define_secret(client)
            made.site.start_pools(client)
            made.site.make_volumes(client)
            made.site.start_guests(client)
        made.guests = made.running()
        yield made
    finally:
        sweep(folder)
        for host in made.hosts:
            host.process.wait(PATIENCE_S)
        shutil.rmtree(folder, ignore_errors=True)
