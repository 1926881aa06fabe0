"""Networks on bad days: programs and devices that die, hang, are missing, or are somebody else's."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.deaths import RAISED, SURVIVED, in_child
from tests.integration.network.lives import UUID, link, servers, tables, xml
from tests.integration.network.places import Chatter, need, run
from tests.waiting import until
from tierhost.workers.network.driver import NetworkDriver
from tierhost.workers.runtime import commands
from tierhost.workers.runtime.contract import Code, DriverError, InitResult, Skip
from tierhost.workers.runtime.testing import make_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.network.lives import Site
    from tests.integration.network.places import Guest

NOBODY = 65534


def test_a_dnsmasq_that_is_killed_is_noticed_told_and_started_again_with_its_leases(
    site: Site, guest: Callable[[], Guest]
) -> None:
    need("nft", "dnsmasq")
    one = guest()
    with site.life() as life:
        life.call("network_create_xml", xml())
        one.plug("thbr0")
        address = one.ask_for_address(site.folder)
        (old,) = servers(site.place)
        os.kill(old, signal.SIGKILL)
        until(lambda: site.host.put_off, "its end is noticed", patience_s=1.0)
        assert "dnsmasq is gone" in site.host.degraded["network lab"]
        life.run_later()
        (new,) = servers(site.place)
        assert new != old
        assert site.host.degraded == {}
        assert site.host.kinds()[-2:] == ["network-lost", "network-brought-back"]
        assert one.ask_for_address(site.folder) == address


def test_a_dnsmasq_that_is_stopped_is_shown_holds_nobody_up_and_can_be_ended(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    need("nft", "dnsmasq")
    monkeypatch.setattr("tierhost.workers.network.vigil.ROUND_S", 0.02)
    with site.life() as life:
        life.call("network_create_xml", xml())
        (pid,) = servers(site.place)
        os.kill(pid, signal.SIGSTOP)
        until(lambda: site.host.degraded, "its stop is noticed", patience_s=3.0)
        assert f"kill -CONT {pid}" in site.host.degraded["network lab"]
        assert life.call("network_get_dhcp_leases", "lab") == []
        os.kill(pid, signal.SIGCONT)
        until(lambda: not site.host.degraded, "it goes on", patience_s=3.0)
        os.kill(pid, signal.SIGSTOP)
        life.call("network_destroy", "lab")
        assert servers(site.place) == []
        assert link("thbr0") is None


def test_a_dnsmasq_that_died_with_the_driver_is_started_by_the_next_life(site: Site) -> None:
    need("nft", "dnsmasq")
    with site.life() as life:
        life.call("network_create_xml", xml())
    (pid,) = servers(site.place)
    os.kill(pid, signal.SIGKILL)
    with site.life(incarnation=2):
        assert len(servers(site.place)) == 1
        assert site.host.degraded == {}


def test_a_bridge_that_is_deleted_is_made_again_with_its_guests(site: Site) -> None:
    need("nft", "dnsmasq")
    with site.life() as life:
        life.call("network_create_xml", xml())
        port = life.call("create_port", "lab", UUID, "52:54:00:00:00:01", by="qemu")
        run("ip", "link", "del", "thbr0")
        until(lambda: site.host.put_off, "its end is noticed", patience_s=1.0)
        life.run_later()
        bridge, device = link("thbr0"), link(port["device"])
        assert bridge is not None
        assert device is not None
        assert device["master"] == "thbr0"
        assert len(servers(site.place)) == 1
        assert site.host.degraded == {}


def test_everything_that_is_missing_is_made_again_by_the_next_life(site: Site) -> None:
    need("nft", "dnsmasq")
    with site.life() as life:
        life.call("network_create_xml", xml(mode="nat"))
        port = life.call("create_port", "lab", UUID, "52:54:00:00:00:01", by="qemu")
    for pid in servers(site.place):
        os.kill(pid, signal.SIGKILL)
    run("ip", "link", "del", "thbr0")
    run("ip", "link", "del", port["device"])
    run("nft", "flush", "ruleset")
    with site.life(incarnation=2):
        bridge, device = link("thbr0"), link(port["device"])
        assert bridge is not None
        assert [found["local"] for found in bridge["addr_info"]] == ["192.168.150.1"]
        assert device is not None
        assert device["master"] == "thbr0"
        assert len(tables()) == len(servers(site.place)) == 1
        assert site.host.degraded == {}


def test_guests_go_on_talking_while_the_driver_dies_and_comes_back(site: Site, guest: Callable[[], Guest]) -> None:
    need("nft", "dnsmasq")
    one, other = guest(), guest()
    one.address("192.168.150.20/24")
    other.address("192.168.150.21/24")
    child = os.fork()
    if child == 0:
        # A worker of its own, to be killed for real.
        with site.life() as life:
            life.call("network_create_xml", xml())
            (site.folder / "ready").touch()
            signal.pause()
        os._exit(0)
    until((site.folder / "ready").exists, "the network is active")
    one.plug("thbr0")
    other.plug("thbr0")
    chatter = Chatter(one, other, "192.168.150.21")
    try:
        chatter.say()
        os.kill(child, signal.SIGKILL)
        chatter.until(lambda: os.waitpid(child, os.WNOHANG)[0])
        process = servers(site.place)
        with site.life(incarnation=2) as life:
            chatter.say()
            assert life.call("network_is_active", "lab")
            assert servers(site.place) == process
            life.driver.state_reload()
            chatter.until(lambda: chatter.words > 50)
        assert chatter.lost == 0
        assert site.host.degraded == {}
    finally:
        chatter.close()


def test_programs_that_are_missing_are_named_with_their_package(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    need()
    folder = site.folder / "bin"
    folder.mkdir()
    for program in ("ip", "setpriv"):
        found = next(place for place in commands.SYSTEM_PATHS.split(":") if Path(place, program).exists())
        (folder / program).symlink_to(Path(found, program))
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(commands, "SYSTEM_PATHS", str(folder))
    monkeypatch.setattr("tierhost.workers.network.dnsmasq.SYSTEM_PATHS", str(folder))
    with site.life() as life:
        with pytest.raises(DriverError, match="install the package nftables"):
            life.call("network_create_xml", xml())
        with pytest.raises(DriverError, match="install the package dnsmasq-base"):
            life.call("network_create_xml", xml(mode="open"))
        life.call("network_create_xml", "<network><name>bare</name></network>")
        assert life.call("network_is_active", "bare")
        life.call("network_destroy", "bare")
    assert link("thbr0") is None
    (folder / "ip").unlink()
    with site.life(incarnation=2) as life:
        assert life.outcome is InitResult.SKIPPED


def test_without_the_right_to_change_networks_the_driver_is_skipped_and_says_what_to_do(site: Site) -> None:
    os.chown(site.folder, NOBODY, NOBODY)

    def look() -> int:
        with make_context(NetworkDriver, site.folder) as context:
            driver = NetworkDriver(context)
            # Not before: where this checkout lies, nobody may have no right to read.
            os.setuid(NOBODY)
            with pytest.raises(Skip, match="start tierhost as root"):
                driver.state_initialize(privileged=False, inhibit=site.host.inhibit)
            return SURVIVED if driver.objects()["networks"] == {"active": 0, "inactive": 0} else RAISED

    assert in_child(look) == SURVIVED


def test_a_program_that_hangs_holds_up_its_own_network_no_longer_than_its_limit(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    need("nft", "dnsmasq")
    monkeypatch.setattr("tierhost.workers.network.network_life.UNDO_LIMIT_S", 0.3)
    folder = site.folder / "bin"
    folder.mkdir()
    hanging = folder / "nft"
    hanging.write_text("#!/bin/sh\nexec sleep 60\n")
    hanging.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{commands.SYSTEM_PATHS}")
    with site.life(config={"command_limit_s": 0.3}) as life:
        began_s = time.monotonic()
        with pytest.raises(DriverError, match="nft did not finish") as refused:
            life.call("network_create_xml", xml())
        assert refused.value.code is Code.OPERATION_TIMEOUT
        assert time.monotonic() - began_s < 5.0
        assert "could not be undone" in site.host.degraded["network lab"]
        life.call("network_create_xml", "<network><name>bare</name><bridge name='thbr1'/></network>")
        life.call("network_destroy", "bare")
        hanging.unlink()
        life.call("network_create_xml", xml())
        assert site.host.degraded == {}
    assert link("thbr0") is not None


def test_a_record_that_is_lost_is_made_again_from_the_bridge(site: Site) -> None:
    need("nft", "dnsmasq")
    with site.life() as life:
        life.call("network_define_xml", xml())
        life.call("network_create", "lab")
    process = servers(site.place)
    for file in (site.folder / "run").glob("run.*.db*"):
        file.unlink()
    with site.life(incarnation=2) as life:
        assert life.call("network_is_active", "lab")
        assert servers(site.place) == process
        assert "network-record-restored" in site.host.kinds()
