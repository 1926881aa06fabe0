"""One worker asks another for a secret, all checks and decryption included; beside a raw echo, and beside libvirt."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import IO, TYPE_CHECKING

from tests.benchmarks import definitions, libvirtd
from tests.benchmarks.figures import US, Bar, Entry, Skipped, compare
from tests.benchmarks.libvirtd import MeasuredLibvirtd
from tests.benchmarks.site import DRIVERS, Site

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmarks.setting import Setting
    from tierhost.ipc.client import Client

ECHO = "raw unix-socket echo"
ECHOES = {ECHO: "unix", "the same, each end on a core of its own": "unix-apart", "bare ZeroMQ echo": "zmq"}
LIBVIRT = "libvirt-python secret.value()"
ONE_SECRET = definitions.Set(secrets=1, pools=0, guests=0)
PER_ROUND = 250


def run(setting: Setting) -> list[Entry | Skipped]:
    """Measure a few hundred of each in turn, several times over."""
    drivers = setting.folder / "drivers"
    shutil.copytree(DRIVERS / "asker", drivers / "asker")
    site = Site(setting.folder / "ours", without=("storage", "qemu"), drivers=drivers)
    site.start()
    site.wait_ready()
    with site.client() as client:
        site.fill(client, ONE_SECRET)
        measured = {"ours": _ours(client)} | {name: _echo(setting, mode) for name, mode in ECHOES.items()}
        reason = libvirtd.why_not()
        if not reason:
            measured[LIBVIRT] = _libvirt(setting)
        samples: dict[str, list[float]] = {name: [] for name in measured}
        for _ in range(setting.times(20, 2)):
            for name, measure in measured.items():
                samples[name] += measure(PER_ROUND)
    entries: list[Entry | Skipped] = [compare("secret_lookup", samples, ECHO, Bar(ratio_max=4), unit="us", scale=US)]
    if reason:
        return [*entries, Skipped("secret_lookup_libvirt", reason)]
    return [*entries, compare("secret_lookup_libvirt", samples, LIBVIRT, Bar(ratio_max=1), unit="us", scale=US)]


def _ours(client: Client) -> Callable[[int], list[float]]:
    uuid = definitions.secret_uuid(0)

    def measure(count: int) -> list[float]:
        times: list[float] = client.call("asker.times", uuid, count, changes=False)
        return times

    return measure


def _echo(setting: Setting, mode: str) -> Callable[[int], list[float]]:
    process = setting.peer("echo.py", str(setting.folder / mode), mode, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    stdin, stdout = _both(process)

    def measure(count: int) -> list[float]:
        stdin.write(f"{count}\n")
        stdin.flush()
        times: list[float] = json.loads(stdout.readline())
        return times

    return measure


def _both(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


def _libvirt(setting: Setting) -> Callable[[int], list[float]]:
    peer = MeasuredLibvirtd(setting.folder / "libvirt")
    peer.start()
    peer.fill(ONE_SECRET, setting.folder / "pools")

    def measure(count: int) -> list[float]:
        times: list[float] = peer.ask("values", uuid=definitions.secret_uuid(0), count=count)
        return times

    return measure
