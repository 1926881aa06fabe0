"""The host is killed and started again with twenty guests running: who noticed, and how soon it answers; beside libvirtd."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, Any

from tests.benchmarks import definitions, libvirtd
from tests.benchmarks.cold_start import LIBVIRTD, in_parts
from tests.benchmarks.figures import MS, Bar, Entry, Skipped, compare
from tests.benchmarks.libvirtd import MeasuredLibvirtd
from tests.benchmarks.site import DRIVERS, Site, guests_alive, listed

if TYPE_CHECKING:
    from tests.benchmarks.setting import Setting
    from tierhost.ipc.client import Client

GUESTS = 20


def run(setting: Setting) -> list[Entry | Skipped]:
    """Kill and start both in turns, while a worker of ours goes on asking another one."""
    reason = libvirtd.why_not()
    if reason:
        return [Skipped("host_restart", reason)]
    wanted = definitions.Set(secrets=1, pools=1, guests=setting.times(GUESTS, 4))
    drivers = setting.folder / "drivers"
    shutil.copytree(DRIVERS / "asker", drivers / "asker")
    site = Site(setting.folder / "ours", drivers=drivers)
    site.start()
    site.wait_ready()
    with site.client() as client:
        site.fill(client, wanted)
        pids = [row["pid"] for row in client.call("qemu.domain_list")]
        client.call("asker.begin", definitions.secret_uuid(0))
    ours: list[dict[str, float]] = []
    theirs: list[dict[str, float]] = []
    with MeasuredLibvirtd(setting.folder / "libvirt") as peer:
        peer.start()
        peer.fill(wanted, setting.folder / "pools")
        for _ in range(setting.times(10, 2)):
            ours.append(_restart_ours(site, wanted))
            peer.kill()
            theirs.append(peer.restart_until_listed(wanted))
    with site.client() as client:
        asked = client.call("asker.end")
    return _entries(ours, theirs, pids, asked)


def _restart_ours(site: Site, wanted: definitions.Set) -> dict[str, float]:
    with site.client() as client:
        before = _lives(client)
    site.kill_host()
    start_s = site.start()
    with site.client() as client:
        measured = {name: at_s - start_s for name, at_s in listed(client, wanted).items()}
        site.wait_ready()
        measured["adopted"] = time.monotonic() - start_s
        assert _lives(client) == before, "a worker was not adopted"
    return measured


def _lives(client: Client) -> list[tuple[str, int, int]]:
    return [(row["name"], row["pid"], row["incarnation"]) for row in client.host("status")["drivers"]]


def _entries(
    ours: list[dict[str, float]], theirs: list[dict[str, float]], pids: list[int], asked: dict[str, Any]
) -> list[Entry | Skipped]:
    adopted = [one.pop("adopted") for one in ours]
    samples = in_parts(ours, theirs, LIBVIRTD, "first") | {"ours: adopted": adopted}
    lost, failed = len(pids) - guests_alive(pids), len(asked["failed"])
    restarts = len(ours)
    return [
        compare("host_restart", samples, LIBVIRTD, Bar(ratio_max=0.5), unit="ms", scale=MS),
        Entry("host_restart_guests_lost", lost, 0, "guests", restarts, "none may be", Bar(ours_max=0), {"guests": len(pids)}),
        Entry(
            "host_restart_calls_failed",
            failed,
            0,
            "calls",
            asked["asked"],
            "none may",
            Bar(ours_max=0),
            {"failed": asked["failed"][:5]},
        ),
    ]
