"""The three ways to bring a driver (a folder, a package, a class made on the spot): each lives, dies and lives again."""

from __future__ import annotations

import os
import signal
import socket
from typing import TYPE_CHECKING, Any

import pytest

from tierhost.host import launch
from tierhost.workers.runtime.contract import InhibitCallback, InitResult, StateDriver, change, read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.host.conftest import Site

MANIFEST = """\
name = "counter"
tier = "libvirt"
entry = "driver:CounterDriver"
summary = "counts"
"""

CODE = '''\
"""Counts."""

from tierhost.workers.runtime.contract import InitResult, StateDriver, change, read

from {package}.steps import STEP


class CounterDriver(StateDriver):
    """Counts what it is told to."""

    def state_initialize(self, *, privileged, inhibit):
        """Nothing is kept in memory."""
        return InitResult.COMPLETE

    @read()
    def counted(self):
        """Show the count."""
        return (self.context.persistent.get("counts", "all") or {{"n": 0}})["n"]

    @change()
    def count(self):
        """Count one more."""
        number = self.counted() + STEP
        with self.context.persistent.transaction() as t:
            t.put("counts", "all", {{"n": number}})
            t.reply(number)
        return number
'''


def lay_down(folder: Path, package: str) -> None:
    """Write a driver folder of two modules."""
    folder.mkdir(parents=True)
    folder.joinpath("driver.toml").write_text(MANIFEST)
    folder.joinpath("driver.py").write_text(CODE.format(package=package))
    folder.joinpath("steps.py").write_text('"""What the driver imports from its own folder."""\n\nSTEP = 1\n')


def a_folder(site: Site, _monkeypatch: pytest.MonkeyPatch) -> Callable[[], launch.Running]:
    """Bring it by `--drivers DIR`."""
    lay_down(site.folder / "drivers" / "counter", "tierhost_driver_counter")
    return lambda: site.start(options=("--drivers", str(site.folder / "drivers")))


def an_installed_package(site: Site, monkeypatch: pytest.MonkeyPatch) -> Callable[[], launch.Running]:
    """Bring it as pip would leave it: a package, and beside it the record of its entry point."""
    packages = site.folder / "site-packages"
    lay_down(packages / "counter_for_tierhost", "counter_for_tierhost")
    packages.joinpath("counter_for_tierhost", "__init__.py").write_text('"""A driver of a third party."""\n')
    record = packages / "counter_for_tierhost-1.0.dist-info"
    record.mkdir()
    record.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: counter-for-tierhost\nVersion: 1.0\n")
    record.joinpath("entry_points.txt").write_text("[tierhost.drivers]\ncounter = counter_for_tierhost\n")
    monkeypatch.setenv("PYTHONPATH", str(packages))
    return site.start


def a_class_made_on_the_spot(site: Site, _monkeypatch: pytest.MonkeyPatch) -> Callable[[], launch.Running]:
    """Bring it as a notebook would: the class refers to what is around it, and no file has it."""
    step = 1

    class Counter(StateDriver):
        """Counts what it is told to."""

        name = "counter"

        def state_initialize(self, *, privileged: bool, inhibit: InhibitCallback) -> InitResult:
            return InitResult.COMPLETE

        @read()
        def counted(self) -> Any:
            """Show the count."""
            return (self.context.persistent.get("counts", "all") or {"n": 0})["n"]

        @change()
        def count(self) -> Any:
            """Count one more."""
            number = self.counted() + step
            with self.context.persistent.transaction() as t:
                t.put("counts", "all", {"n": number})
                t.reply(number)
            return number

    starts = []

    def start() -> launch.Running:
        # Handed over once: a later host finds it where the first one did.
        starts.append(1)
        return site.start(Counter) if len(starts) == 1 else site.start()

    return start


@pytest.mark.parametrize("way", [a_folder, an_installed_package, a_class_made_on_the_spot])
def test_a_driver_brought_this_way_loses_nothing_in_a_crash_of_its_own_of_the_host_or_of_both(
    site: Site, monkeypatch: pytest.MonkeyPatch, way: Callable[..., Callable[[], launch.Running]]
) -> None:
    start = way(site, monkeypatch)
    running = start()
    first = site.wait_phase("counter", "READY")
    with site.client() as client:
        assert client.call("counter.count") == 1
        os.kill(first["pid"], signal.SIGKILL)
        assert client.call("counter.count") == 2
    second = site.wait_phase("counter", "READY", above=first["incarnation"])

    running.kill()
    running = start()
    assert site.wait_phase("counter", "READY")["pid"] == second["pid"], "the next host adopts the worker"
    with site.client() as client:
        assert client.call("counter.count") == 3

    running.kill()
    os.kill(second["pid"], signal.SIGKILL)
    start()
    site.wait_phase("counter", "READY", above=second["incarnation"])
    with site.client() as client:
        assert client.call("counter.counted", changes=False) == 3
        assert client.call("counter.count") == 4


def test_the_first_way_to_bring_a_name_has_it(site: Site) -> None:
    lay_down(site.folder / "drivers" / "counter", "tierhost_driver_counter")
    manifest = site.folder / "drivers" / "counter" / "driver.toml"
    manifest.write_text(MANIFEST.replace('"counter"', '"secret"'))
    site.start(options=("--drivers", str(site.folder / "drivers")))
    site.wait_phase("secret", "READY")
    with site.client() as client:
        assert client.call("secret.secret_list", changes=False) == []
        told = [event for event in client.host("events_since", 0) if "is taken by" in str(event["details"])]
    assert told, "and whoever comes too late is told"


def test_a_package_that_cannot_be_found_costs_nobody_else_anything(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    record = site.folder / "site-packages" / "ghost-1.0.dist-info"
    record.mkdir(parents=True)
    record.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: ghost\nVersion: 1.0\n")
    record.joinpath("entry_points.txt").write_text("[tierhost.drivers]\nghost = no.such.package\nghost2 = no_such_package\n")
    monkeypatch.setenv("PYTHONPATH", str(record.parent))
    site.start()
    site.wait_phase("secret", "READY")
    with site.client() as client:
        broken = client.host("status")["broken"]
    assert [row["source"] for row in broken if "there is no package" in row["reason"]] == ["ghost", "ghost2"]


def test_a_class_that_cannot_travel_is_refused_before_a_host_is_started(site: Site) -> None:
    with socket.socket() as around:

        class Stuck(StateDriver):
            """Refers to what cannot travel."""

            name = "stuck"

            def state_initialize(self, *, privileged: bool, inhibit: InhibitCallback) -> InitResult:
                around.listen()
                return InitResult.COMPLETE

        with pytest.raises(launch.CannotLaunch) as caught:
            site.start(Stuck)
    assert "Stuck" in caught.value.subject
    assert "sockets" in caught.value.hint
    assert not site.root.lock.exists()
