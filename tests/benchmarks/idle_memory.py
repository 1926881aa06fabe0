"""What an idle worker costs: proportional set size after a full collection, twelve workers side by side."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

import zmq

from tests.benchmarks.drivers_made import make_trivial
from tests.benchmarks.figures import MB, Bar, Entry, Skipped, compare
from tests.benchmarks.processes import pss_bytes, until
from tests.benchmarks.restarted import ask
from tests.benchmarks.setting import Peers
from tests.benchmarks.site import BUILT_IN, DRIVERS, Site

if TYPE_CHECKING:
    from tests.benchmarks.setting import Setting

WORKERS = 12
SETTLE_S = 1.0
"""A moment for the spares to be forked, which shares pages anew."""

TRIVIAL_MB_MAX = 4.0
DRIVER_MB_MAX = 9.0
PEER = "Python zmq subprocess"


def run(setting: Setting) -> list[Entry | Skipped]:
    """Ten trivial drivers, the secret and the storage driver; then twelve bare workers as subprocesses."""
    drivers = make_trivial(setting.folder / "drivers", WORKERS - 2)
    for name in ("measured_secret", "measured_storage"):
        shutil.copytree(DRIVERS / name, drivers / name)
    site = Site(setting.folder / "ours", without=BUILT_IN, drivers=drivers)
    site.start()
    site.wait_ready()
    with site.client() as client:
        started_s = time.monotonic()
        until(lambda: time.monotonic() - started_s > SETTLE_S, "the host has nothing more to do")
        lives = {life["driver"]: life["pid"] for life in client.host("directory")["lives"]}
        for driver in lives:
            client.call(f"{driver}.collect", changes=False)
        ours = {driver: pss_bytes(pid) for driver, pid in lives.items()}
    peers = Peers(setting, WORKERS)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    for number in range(WORKERS):
        ask(context, f"ipc://{peers.endpoint(number)}", "collect")
    theirs = [float(pss_bytes(pid)) for pid in peers.pids]
    return _entries(ours, theirs)


def _entries(ours: dict[str, int], theirs: list[float]) -> list[Entry | Skipped]:
    entries: list[Entry | Skipped] = []
    trivial = [float(size) for driver, size in ours.items() if driver.startswith("trivial-")]
    for name, sizes, bar_mb in (
        ("idle_memory", trivial, TRIVIAL_MB_MAX),
        ("idle_memory_secret", [float(ours["measured-secret"])], DRIVER_MB_MAX),
        ("idle_memory_storage", [float(ours["measured-storage"])], DRIVER_MB_MAX),
    ):
        entries.append(compare(name, {"ours": sizes, PEER: theirs}, PEER, Bar(ours_max=bar_mb), unit="MB", scale=MB))
    return entries
