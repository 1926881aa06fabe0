"""Our side: a host on a private root, with the built-in drivers or with drivers of the benchmark's own."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tests.benchmarks import definitions
from tests.benchmarks.processes import PATIENCE_S, Body, TookTooLong, until
from tierhost.drills.kill_points.site import IN_A_NAMESPACE
from tierhost.host.config import Config
from tierhost.ipc.client import Client
from tierhost.ipc.errors import PeerAbsent
from tierhost.ipc.paths import Root

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.benchmarks.definitions import Set

BUILT_IN = ("secret", "storage", "qemu")
DRIVERS = Path(__file__).parent / "drivers"
LOOK_AGAIN_S = 0.0005

CONFIG = """tiers = [{tiers}]
built_in = {built_in}

[restart]
# A benchmark kills the same driver far more often than any intensity allows: every failure counts as the first one.
intensity_period_s = 0
"""


@dataclass(slots=True)
class Site:
    """One root; `start` and `kill` its host as often as needed. Processes are ended with the benchmark's others."""

    folder: Path
    without: tuple[str, ...] = ()
    built_in: tuple[str, ...] = BUILT_IN
    netns: bool = False
    drivers: Path | None = None
    tiers: tuple[str, ...] = ("libvirt", "hypervisor")
    host: subprocess.Popen[bytes] | None = None
    ready: IO[str] | None = None

    @property
    def root(self) -> Root:
        """Where everything of this site is."""
        return Root.under(self.folder)

    def start(self) -> float:
        """Start `tierhost up`; return when that was. What it says goes to host.log."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "bench.toml"
        tiers = ", ".join(f'"{tier}"' for tier in self.tiers)
        built_in = json.dumps([name for name in self.built_in if name not in self.without])
        config.write_text(CONFIG.format(tiers=tiers, built_in=built_in))
        ready, said = os.pipe()
        argv = [
            *(IN_A_NAMESPACE if self.netns else ()),
            sys.executable,
            "-m",
            "tierhost.host",
            "--root",
            str(self.folder),
            "up",
            "--config",
            str(config),
            "--ready-fd",
            str(said),
        ]
        argv += ["--drivers", str(self.drivers)] if self.drivers else []
        with (self.folder / "host.log").open("ab") as log:
            start_s = time.monotonic()
            self.host = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, pass_fds=[said]
            )
        os.close(said)
        self.ready = os.fdopen(ready, "r", encoding="utf-8")
        return start_s

    def wait_ready(self) -> float:
        """Wait, asking nobody, until the host says that every tier is as far as it gets; return when. Raises TookTooLong."""
        assert self.ready is not None
        heard = select.select([self.ready], [], [], PATIENCE_S)[0]
        at_s = time.monotonic()
        said = self.ready.readline() if heard else "nothing"
        self.ready.close()
        if any(f"{tier} ready" not in said for tier in self.tiers):
            message = f"the host says '{said}'; {(self.folder / 'host.log').read_text()[-2000:]}"
            raise TookTooLong(message)
        return at_s

    def kill_host(self) -> None:
        """SIGKILL the host and wait until it is gone. Its workers live on."""
        assert self.host is not None
        body = Body.of(self.host.pid)
        body.kill()
        body.close()
        self.host.wait()

    def kill_everything_but_guests(self) -> None:
        """SIGKILL the host and all its workers at once, so that only the guests are left, as after a crash of libvirtd."""
        with self.client() as client:
            workers = [Body.of(life["pid"]) for life in client.host("directory")["lives"]]
        self.kill_host()
        for worker in workers:
            worker.kill()
            worker.close()

    def client(self, deadline_s: float = 30.0) -> Client:
        """Connect as soon as the host listens. Raises TookTooLong."""

        def connect() -> Client | None:
            if self.host is not None and self.host.poll() is not None:
                message = f"the host ended: {(self.folder / 'host.log').read_text()[-2000:]}"
                raise RuntimeError(message)
            try:
                return Client(self.root, deadline_s=deadline_s)
            except PeerAbsent:
                return None

        connected: Client = until(connect, "the host listens", period_s=LOOK_AGAIN_S)
        return connected

    def life(self, client: Client, driver: str) -> dict[str, Any]:
        """The life of a driver that can be called: pid, incarnation, endpoint."""
        found: dict[str, Any] = next(life for life in client.host("directory")["lives"] if life["driver"] == driver)
        return found

    def is_quiet(self, client: Client) -> bool:
        """Whether every driver is READY and a spare without a role is parked."""
        status = client.host("status")
        return status["host"]["spares"] > 0 and all(row["phase"] == "READY" for row in status["drivers"])

    def is_settled(self, client: Client) -> bool:
        """Whether every driver serves, or has nothing to drive here."""
        return all(row["phase"] in {"READY", "SKIPPED"} for row in client.host("status")["drivers"])

    def all_spares_parked(self, client: Client) -> bool:
        """Whether the host has as many spares as it ever keeps: a few without a role, one warm for each driver."""
        status = client.host("status")
        return bool(status["host"]["spares"] >= Config().spares + len(status["drivers"]))

    def fill(self, client: Client, wanted: Set) -> None:
        """Define and start everything that the benchmark is about."""
        for xml, value in definitions.secrets(wanted.secrets):
            client.call("secret.secret_set_value", client.call("secret.secret_define_xml", xml)["uuid"], value)
        for name, xml in definitions.pools(wanted.pools, self.folder / "pools"):
            client.call("storage.storage_pool_define_xml", xml)
            client.call("storage.storage_pool_create", name)
        for name, xml in definitions.guests(wanted.guests):
            client.call("qemu.domain_define_xml", xml)
            client.call("qemu.domain_create", name)


def listed(client: Client, wanted: Set) -> dict[str, float]:
    """When the first list came, and when everything was there and every guest's monitor had answered."""
    _guests(client)
    first_s = time.monotonic()
    running = until(lambda: _enough(_guests(client), wanted.guests), "every guest is listed as running", period_s=LOOK_AGAIN_S)
    until(lambda: _enough(_pools(client), wanted.pools), "every pool is active", period_s=LOOK_AGAIN_S)
    until(
        lambda: _enough(client.call("secret.secret_list", changes=False), wanted.secrets),
        "every secret is there",
        period_s=LOOK_AGAIN_S,
    )
    list_s = time.monotonic()
    for guest in running:
        state = client.call("qemu.domain_get_state", guest["name"], changes=False)["state"]
        assert state == "running", f"{guest['name']} is {state}"
    return {"first": first_s, "list": list_s, "all": time.monotonic()}


def _enough(rows: list[dict[str, Any]], count: int) -> list[dict[str, Any]] | bool:
    return len(rows) >= count and (rows or True)


def _guests(client: Client) -> list[dict[str, Any]]:
    return [row for row in client.call("qemu.domain_list", changes=False) if row["state"] == "running"]


def _pools(client: Client) -> list[dict[str, Any]]:
    return [row for row in client.call("storage.storage_pool_list", changes=False) if row["state"] == "active"]


def guests_alive(pids: Iterable[int]) -> int:
    """Count the guests whose process is there."""
    return sum(Path(f"/proc/{pid}").exists() for pid in pids)
