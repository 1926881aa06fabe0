"""200 trivial workers in four tiers, until all are READY; beside s6-svscan with the same number of bare workers."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from tests.benchmarks.drivers_made import make_trivial
from tests.benchmarks.figures import Bar, Entry, Skipped, compare, interleave
from tests.benchmarks.processes import PATIENCE_S
from tests.benchmarks.setting import PEERS
from tests.benchmarks.site import BUILT_IN, Site

if TYPE_CHECKING:
    from pathlib import Path

    from tests.benchmarks.setting import Setting

WORKERS = 200
TIERS = ("first", "second", "third", "fourth")
RATIO_MAX = 1 / 6
S6 = "s6-svscan, no tiers"

RUN = """#!/bin/sh
exec {python} {worker} {folder}/worker.sock {ready} {name}
"""


def run(setting: Setting) -> list[Entry | Skipped]:
    """Start and end both a few times, in turns."""
    if not shutil.which("s6-svscan"):
        return [Skipped("ready_200", "s6-svscan is not installed (package s6)")]
    count = setting.times(WORKERS, 20)
    drivers = make_trivial(setting.folder / "drivers", count, TIERS)
    measured = {"ours": lambda: _ours_s(setting, drivers), S6: lambda: _s6_s(setting, count)}
    samples = interleave(measured, setting.times(3, 1))
    return [compare("ready_200", samples, S6, Bar(ratio_max=RATIO_MAX), unit="s", scale=1, workers=count)]


def _ours_s(setting: Setting, drivers: Path) -> float:
    folder = setting.folder / "ours"
    site = Site(folder, without=BUILT_IN, drivers=drivers, tiers=TIERS)
    start_s = site.start()
    site.wait_ready()
    took_s = time.monotonic() - start_s
    setting.end_processes()
    shutil.rmtree(folder)
    return took_s


def _s6_s(setting: Setting, count: int) -> float:
    """Start s6-svscan on a folder of services; each worker says that it serves with a datagram."""
    folder = setting.folder / "s6"
    ready = setting.folder / "s6-ready"
    for number in range(count):
        service = folder / f"trivial-{number}"
        service.mkdir(parents=True)
        run = service / "run"
        run.write_text(
            RUN.format(python=sys.executable, worker=PEERS / "worker.py", folder=service, ready=ready, name=service.name)
        )
        run.chmod(0o700)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.bind(str(ready))
        door.settimeout(PATIENCE_S * 2)
        start_s = time.monotonic()
        svscan = subprocess.Popen(["s6-svscan", str(folder)], stdout=subprocess.DEVNULL)
        served = {door.recv(64) for _ in range(count)}
        took_s = time.monotonic() - start_s
    assert len(served) == count
    svscan.send_signal(signal.SIGKILL)
    setting.end_processes()
    svscan.wait()
    shutil.rmtree(folder)
    ready.unlink()
    return took_s
