"""All built-in drivers on one host, killed and started again, beside the slowest of them alone; and what they cost when idle."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING, Any

from tests.benchmarks import definitions, libvirtd
from tests.benchmarks.figures import MB, MS, Bar, Entry, Skipped, compare, percentile
from tests.benchmarks.libvirtd import MeasuredLibvirtd
from tests.benchmarks.processes import pss_bytes, until
from tests.benchmarks.site import Site
from tierhost.drills import exercises
from tierhost.host import catalog
from tierhost.host.config import Config

if TYPE_CHECKING:
    from tests.benchmarks.setting import Setting
    from tierhost.ipc.client import Client

OBJECTS = 3
"""Of each driver, brought as far as its own exercises go: active networks, filters that are bound, and so on."""

LIBVIRTD = "libvirtd 9.0.0 (Debian builds no modular daemons)"


def run(setting: Setting) -> list[Entry | Skipped]:
    """Start everybody, each alone, and libvirtd; measure the memory of the first and the last."""
    if os.geteuid() != 0:
        return [Skipped("cold_start_all", "networks and filters need root")]
    names = tuple(sorted(catalog.read(Config()).drivers))
    times = setting.times(10, 2)
    everybody = Site(setting.folder / "all", built_in=names, netns=True)
    together = _starts(everybody, names, times)
    with everybody.client() as client:
        ours = {row["name"]: float(pss_bytes(row["pid"])) for row in client.host("status")["drivers"] if row["pid"]}
    alone = {}
    for name in names:
        wanted = (*_beside(name), name)
        alone[name] = _starts(Site(setting.folder / f"only-{name}", built_in=wanted, netns=True), wanted, times)
    slowest = max(alone, key=lambda name: percentile(alone[name], 50))
    peer = f"the slowest of them alone ({slowest})"
    samples = {"ours": together, peer: alone[slowest], **{f"{name} alone": took for name, took in alone.items()}}
    entries: list[Entry | Skipped] = [compare("cold_start_all", samples, peer, Bar(ratio_max=2), unit="ms", scale=MS)]
    return [*entries, _memory(setting, ours)]


def _beside(name: str) -> tuple[str, ...]:
    found = exercises.found().get(name)
    return found.beside if found else ()


def _starts(site: Site, names: tuple[str, ...], times: int) -> list[float]:
    """Fill a site, then kill and start it so often. Returns seconds from each start until every tier is ready."""
    site.start()
    site.wait_ready()
    with site.client() as client:
        for name in names:
            for number in range(OBJECTS):
                _make(client, site, name, number)
    took = []
    for _ in range(times):
        site.kill_everything_but_guests()
        start_s = site.start()
        took.append(site.wait_ready() - start_s)
        with site.client() as client:
            until(lambda: site.is_settled(client), "every driver is READY, or has nothing to drive here")  # used at once
    return took


def _make(client: Client, site: Site, driver: str, number: int) -> None:
    """Make one object, unless there is nothing to drive for this driver here."""
    found = exercises.found().get(driver)
    row = next(row for row in client.host("status")["drivers"] if row["name"] == driver)
    if found is None or row["phase"] != "READY":
        return
    folder = site.folder / "objects" / f"{driver}{number}"
    folder.mkdir(parents=True)
    names = {"tag": f"b{number}{driver[:6]}", "uuid": str(uuid.uuid4()), "folder": str(folder)}

    def call(method: str, *args: Any) -> Any:
        return client.call(f"{driver}.{method}", *args)

    exercises.perform(found.furthest(netns=True), names, call)


def _memory(setting: Setting, ours: dict[str, float]) -> Entry | Skipped:
    """All idle workers together; libvirt's one daemon beside them."""
    reason = libvirtd.why_not()
    if reason:
        return Skipped("idle_memory_all", reason)
    with MeasuredLibvirtd(setting.folder / "libvirt") as peer:
        peer.start()
        peer.fill(definitions.Set(secrets=1, pools=1, guests=0), setting.folder / "pools")
        theirs = float(pss_bytes(peer.pid))
    samples = {"ours": [sum(ours.values())], LIBVIRTD: [theirs], **{name: [size] for name, size in ours.items()}}
    return compare("idle_memory_all", samples, LIBVIRTD, Bar(), unit="MB", scale=MB)
