"""kill -9 of a worker, until its driver answers a real call again; beside runit's restart and beside the bare floor."""

from __future__ import annotations

import shutil
import signal
import time
from typing import TYPE_CHECKING

from tests.benchmarks import definitions
from tests.benchmarks.figures import MS, Bar, Entry, Skipped, compare, interleave
from tests.benchmarks.processes import held, until
from tests.benchmarks.restarted import Floor, Runit
from tests.benchmarks.site import DRIVERS, Site

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.benchmarks.setting import Setting
    from tierhost.ipc.client import Client

RUNIT_SERVICES = 3
"""Taken in turn, so that each has been up for the second after which runsv restarts at once."""

RUNIT_UP_S = 1.1
OURS = "ours (secret)"
TRIVIAL = "ours (trivial driver)"
FLOOR = "bare parked spare"
RUNIT = "runit's runsv, first death"


class Ours:
    """Kills the worker of one driver of a site, and calls it."""

    def __init__(self, site: Site, client: Client, driver: str, call: Callable[[], object]) -> None:
        self._site = site
        self._client = client
        self._driver = driver
        self._call = call

    def kill_to_serving_s(self) -> float:
        """Measure once; the next life is looked at afterwards, so that no answer of the old one is taken for it."""
        until(lambda: self._site.all_spares_parked(self._client), "the spares are parked")
        before = self._site.life(self._client, self._driver)
        self._call()
        with held(before["pid"]) as body:
            start_s = time.monotonic()
            body.send(signal.SIGKILL)
            self._call()
            took_s = time.monotonic() - start_s
        after = self._site.life(self._client, self._driver)
        assert after["incarnation"] == before["incarnation"] + 1, f"it answered in life {after['incarnation']}"
        return took_s


def run(setting: Setting) -> list[Entry | Skipped]:
    """Measure ours (the secret driver, a trivial one), the floor and runit in turns."""
    drivers = setting.folder / "drivers"
    shutil.copytree(DRIVERS / "trivial", drivers / "trivial")
    site = Site(setting.folder / "ours", drivers=drivers)
    site.start()
    site.wait_ready()
    with site.client() as client:
        site.fill(client, definitions.Set(secrets=1, pools=0, guests=0))
        uuid = definitions.secret_uuid(0)
        secret = Ours(site, client, "secret", lambda: client.call("secret.secret_get_value", uuid, changes=False))
        trivial = Ours(site, client, "trivial", lambda: client.call("trivial.whoami", changes=False))
        measured = {OURS: secret.kill_to_serving_s, TRIVIAL: trivial.kill_to_serving_s, FLOOR: Floor(setting).kill_to_serving_s}
        if shutil.which("runsv"):
            measured[RUNIT] = _runit(setting)
        samples = interleave(measured, setting.times(50, 5))
    return _entries(samples)


def _runit(setting: Setting) -> Callable[[], float]:
    services = [Runit(setting, f"service-{number}") for number in range(RUNIT_SERVICES)]

    def next_one() -> float:
        services.append(services.pop(0))
        return services[-1].kill_to_serving_s(RUNIT_UP_S)

    return next_one


def _entries(samples: Mapping[str, list[float]]) -> list[Entry | Skipped]:
    named = {"ours": samples[OURS], TRIVIAL: samples[TRIVIAL], FLOOR: samples[FLOOR]}
    floor = compare("kill_to_serving_floor", named, FLOOR, Bar(ratio_max=2), unit="ms", scale=MS)
    if RUNIT not in samples:
        return [Skipped("kill_to_serving", "runsv is not installed (package runit)"), floor]
    named[RUNIT] = samples[RUNIT]
    return [compare("kill_to_serving", named, RUNIT, Bar(ratio_max=0.1), unit="ms", scale=MS), floor]
