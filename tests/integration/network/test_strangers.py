"""What somebody else made is left alone, and named: bridges, devices, addresses, ports of name servers, a dnsmasq."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.network.lives import UUID, link, servers, tables, xml
from tests.integration.network.places import need, run
from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.network.lives import Site
    from tests.integration.network.places import Guest


def test_a_bridge_that_somebody_else_made_is_left_alone_and_named(site: Site) -> None:
    need("nft", "dnsmasq")
    run("ip", "link", "add", "thbr0", "type", "bridge")
    before = link("thbr0")
    with site.life() as life:
        life.call("network_define_xml", xml())
        with pytest.raises(DriverError, match=r"a device thbr0 already.*left alone.*name another bridge"):
            life.call("network_create", "lab")
        assert not life.call("network_is_active", "lab")
        assert life.context.run.intents() == {}
    assert link("thbr0") == before
    assert (tables(), servers(site.place)) == ([], [])


def test_a_bridge_that_took_the_name_of_an_active_one_is_left_alone_and_reported(site: Site) -> None:
    need("nft", "dnsmasq")
    with site.life() as life:
        life.call("network_create_xml", xml())
    run("ip", "link", "del", "thbr0")
    run("ip", "link", "add", "thbr0", "type", "bridge")
    before = link("thbr0")
    with site.life(incarnation=2) as life:
        assert "left alone" in site.host.degraded["network lab"]
        assert life.call("network_is_active", "lab")
        life.call("network_destroy", "lab")
    assert link("thbr0") == before
    assert servers(site.place) == []


def test_a_dnsmasq_that_somebody_else_started_is_never_ended(site: Site) -> None:
    need("nft", "dnsmasq")
    foreign = ["dnsmasq", "--conf-file=/dev/null", "--port=5399", "--listen-address=127.0.0.1", "--bind-interfaces"]
    run(*foreign, f"--pid-file={site.folder}/foreign")
    theirs = int((site.folder / "foreign").read_text())
    with site.life() as life:
        life.call("network_create_xml", xml())
        # What the pid file says is no reason to end anybody.
        next(Path(life.context.run_dir).glob("*.pid")).write_text(f"{theirs}\n")
        life.call("network_destroy", "lab")
    assert servers(site.place) == [theirs]


def test_a_name_server_that_has_the_port_already_is_told_and_nothing_is_left(site: Site) -> None:
    need("nft", "dnsmasq")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as theirs:
        theirs.bind(("0.0.0.0", 53))  # noqa: S104  # in a namespace where nobody else is
        with site.life() as life, pytest.raises(DriverError, match=r"in use.*another name server"):
            life.call("network_create_xml", xml())
    assert (link("thbr0"), tables(), servers(site.place)) == (None, [], [])
    assert site.host.degraded == {}


def test_addresses_that_are_in_use_are_an_error_that_names_by_whom(site: Site, guest: Callable[[], Guest]) -> None:
    need("nft", "dnsmasq")
    world = guest()
    run("ip", "addr", "add", "192.168.150.9/24", "dev", world.device)
    with site.life() as life, pytest.raises(DriverError, match=r"in use already by guest0 \(192\.168\.150\.0/24\)"):
        life.call("network_create_xml", xml())
    assert link("thbr0") is None


def test_a_device_that_took_the_name_of_a_port_is_left_alone(site: Site) -> None:
    need("nft", "dnsmasq")
    run("ip", "link", "add", "vnet0", "type", "bridge")
    with site.life() as life:
        life.call("network_create_xml", xml())
        port = life.call("create_port", "lab", UUID, "52:54:00:00:00:01", "web", by="qemu")
        assert port["device"] == "vnet1"
        with pytest.raises(DriverError, match=r"plugged in: web") as refused:
            life.call("network_destroy", "lab")
        assert refused.value.code is Code.RESOURCE_BUSY
        run("ip", "link", "del", "vnet1")
        run("ip", "link", "add", "vnet1", "type", "bridge")
        with pytest.raises(DriverError, match="not the one we made"):
            life.call("create_port", "lab", UUID, "52:54:00:00:00:01", "web", by="qemu")
        life.call("network_port_delete", "lab", port["port"])
        life.call("network_destroy", "lab")
    assert link("vnet0") is not None
    assert link("vnet1") is not None
