"""Ports of guests: asked for before a start, kept while a guest runs, given back when it does not, however often that takes."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.unit.workers.qemu.samples import UUID, domain, read
from tests.waiting import until
from tierhost.workers.qemu.backend import Supplies
from tierhost.workers.qemu.cables import PLUGGED, Cables
from tierhost.workers.qemu.driver import QemuDriver
from tierhost.workers.runtime import calling
from tierhost.workers.runtime.contract import DriverError, PeerAbsent
from tierhost.workers.runtime.testing import FakeHost, make_context

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tierhost.workers.qemu.roster import Roster
    from tierhost.workers.runtime.contract import Context

GUEST = read(domain("<interface type='user'/><interface type='network'><source network='lab'/></interface>"))


class FakeNetwork:
    """Stands in for the network driver."""

    def __init__(self) -> None:
        self.ports: dict[str, list[str]] = {}
        self.down = False
        self.hold = threading.Event()
        self.hold.set()

    def create_port(self, network: str, owner: str, mac: str, owner_name: str = "") -> dict[str, Any]:
        if self.down:
            raise DriverError("the network is not active", subject=f"network {network}")
        self.ports.setdefault(owner, []).append(mac)
        return {"device": f"vnet{len(self.ports[owner]) - 1}"}

    def release_ports(self, owner: str) -> dict[str, Any]:
        self.hold.wait(10.0)
        if self.down:
            raise DriverError("it is down")
        return {"released": self.ports.pop(owner, [])}


class FakeFilter:
    """Stands in for the nwfilter driver; says in which order things were asked for."""

    def __init__(self, network: FakeNetwork) -> None:
        self.network = network
        self.bound: dict[str, tuple[str, dict[str, list[str]]]] = {}
        self.down = False

    def bind(self, port_dev: str, mac: str, name: str, parameters: dict[str, list[str]], owner: str, owner_name: str) -> None:
        assert mac in self.network.ports[owner]
        if self.down:
            raise DriverError("no such filter", subject=f"filter {name}")
        self.bound[port_dev] = (name, parameters)

    def unbind(self, port_dev: str, owner: str) -> None:
        assert owner in self.network.ports, "the port is to be filtered as long as it is there"
        if self.down:
            raise DriverError("it is down")
        self.bound.pop(port_dev, None)


class Bench:
    def __init__(self, context: Context, host: FakeHost, network: FakeNetwork, nwfilter: FakeFilter) -> None:
        self.context, self.host, self.network, self.nwfilter = context, host, network, nwfilter
        self.guests: dict[str, object] = {}
        self.cables = Cables(cast("Roster", SimpleNamespace(context=context, guests=self.guests)))

    def later(self) -> None:
        now, self.host.put_off[:] = list(self.host.put_off), []
        for _, function in now:
            function()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Give cables, with a network driver that is a fake and no guests."""
    with _bench(tmp_path) as made:
        yield made


@contextmanager
def _bench(folder: Path) -> Iterator[Bench]:
    host, network = FakeHost(), FakeNetwork()
    nwfilter = FakeFilter(network)
    with make_context(QemuDriver, folder, services={"network": network, "nwfilter": nwfilter}, host=host) as context:
        yield Bench(context, host, network, nwfilter)


def test_a_guest_that_runs_keeps_its_port_and_one_that_does_not_gives_it_back(bench: Bench) -> None:
    supplies = Supplies()
    with bench.cables.plugged(GUEST, supplies):
        assert supplies.taps == {1: "vnet0"}
        bench.guests[UUID] = object()
    bench.later()
    assert bench.network.ports == {UUID: [GUEST.interfaces[1].mac]}
    assert bench.cables.devices(UUID) == {GUEST.interfaces[1].mac: "vnet0"}
    bench.guests.clear()
    bench.cables.give_back(UUID)
    bench.later()
    assert bench.network.ports == {}
    assert bench.context.run.all(PLUGGED) == {}


def test_a_start_that_fails_gives_back_what_it_got_and_counts_as_never_made(bench: Bench) -> None:
    token = calling.CALL_ID.set(b"the call")
    try:
        with pytest.raises(ZeroDivisionError), bench.cables.plugged(GUEST, Supplies()):
            raise ZeroDivisionError
    finally:
        calling.CALL_ID.reset(token)
    assert bench.context.run.recorded(b"the call") is None
    bench.later()
    assert (bench.network.ports, bench.context.run.all(PLUGGED)) == ({}, {})


def test_what_the_network_driver_does_not_hear_is_said_again(bench: Bench) -> None:
    with bench.cables.plugged(GUEST, Supplies()):
        bench.network.down = True
    for _ in range(3):
        bench.later()
    assert bench.context.run.all(PLUGGED) != {}
    bench.network.down = False
    bench.later()
    assert bench.context.run.all(PLUGGED) == {}


def test_where_there_is_no_network_driver_nothing_is_owed(tmp_path: Path) -> None:
    host = FakeHost()
    with make_context(QemuDriver, tmp_path, host=host) as context:
        cables = Cables(cast("Roster", SimpleNamespace(context=context, guests={})))
        with pytest.raises(PeerAbsent), cables.plugged(GUEST, Supplies()):
            pass
        assert (context.run.all(PLUGGED), host.put_off) == ({}, [])


def test_an_error_of_the_network_driver_is_told_under_the_cards_name(bench: Bench) -> None:
    bench.network.down = True
    words = rf"guest web card {GUEST.interfaces[1].mac}: network lab: the network is not active"
    with pytest.raises(DriverError, match=words), bench.cables.plugged(GUEST, Supplies()):
        pass


def test_a_start_waits_until_the_ports_of_the_last_one_are_given_back(bench: Bench) -> None:
    with bench.cables.plugged(GUEST, Supplies()):
        pass
    bench.network.hold.clear()
    giving = threading.Thread(target=bench.later)
    giving.start()
    until(lambda: bench.cables._releasing, "it is being given back")
    entered: list[dict[str, list[str]]] = []

    def start() -> None:
        with bench.cables.plugged(GUEST, Supplies()):
            entered.append({owner: list(macs) for owner, macs in bench.network.ports.items()})

    starting = threading.Thread(target=start)
    starting.start()
    assert not entered
    bench.network.hold.set()
    starting.join(10.0)
    giving.join(10.0)
    assert entered == [{UUID: [GUEST.interfaces[1].mac]}]


def test_whoever_is_on_record_and_does_not_run_after_a_restart_gives_back(tmp_path: Path) -> None:
    with _bench(tmp_path) as first, first.cables.plugged(GUEST, Supplies()):
        first.guests[UUID] = object()
    with _bench(tmp_path) as second:
        second.network.ports[UUID] = ["a port"]
        second.cables.give_back_all()
        second.later()
        assert second.network.ports == {}


def test_a_guest_without_such_cards_asks_nobody(bench: Bench) -> None:
    bench.network.down = True
    with bench.cables.plugged(read(domain("<interface type='user'/>")), Supplies()):
        pass
    bench.cables.give_back(UUID)
    assert bench.host.put_off == []


FILTERED = read(
    domain(
        "<interface type='network'><source network='lab'/>"
        "<filterref filter='clean-traffic'><parameter name='IP' value='10.0.0.2'/></filterref></interface>"
    )
)


def test_a_port_is_filtered_before_the_guest_has_it_and_until_it_is_given_back(bench: Bench) -> None:
    with bench.cables.plugged(FILTERED, Supplies()):
        assert bench.nwfilter.bound == {"vnet0": ("clean-traffic", {"IP": ["10.0.0.2"]})}
    bench.nwfilter.down = True
    bench.later()
    assert bench.network.ports != {}
    bench.nwfilter.down = False
    bench.later()
    assert (bench.nwfilter.bound, bench.network.ports, bench.context.run.all(PLUGGED)) == ({}, {}, {})


def test_without_its_filter_a_guest_is_not_plugged_in(bench: Bench) -> None:
    bench.nwfilter.down = True
    words = rf"guest web card {FILTERED.interfaces[0].mac}: filter clean-traffic: no such filter"
    with pytest.raises(DriverError, match=words), bench.cables.plugged(FILTERED, Supplies()):
        pytest.fail("it is not to start")
    bench.nwfilter.down = False
    bench.later()
    assert bench.network.ports == {}
