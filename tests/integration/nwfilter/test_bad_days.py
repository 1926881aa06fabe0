"""Workers that are killed, programs that hang or are missing, tables of others, records that are lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.network.places import run
from tests.integration.nwfilter.lab import HONEST, OWNER, Flood, Lab, bind, ruleset
from tierhost.ipc.errors import Code, DriverError
from tierhost.workers.nwfilter import backend
from tierhost.workers.runtime import commands
from tierhost.workers.runtime.contract import InitResult

if TYPE_CHECKING:
    from collections.abc import Callable

STATED = "<filter name='stated'><rule action='accept' direction='out'><tcp/></rule></filter>"


def test_killed_for_real_while_it_changes_rules_under_traffic_nothing_leaks_and_nothing_is_lost(lab: Lab) -> None:
    flood = None
    for incarnation in (1, 2, 3):
        guest = lab.guest
        argv = [sys.executable, "-m", "tests.integration.nwfilter.restless"]
        with subprocess.Popen(
            [*argv, str(lab.folder), guest.device, guest.mac, guest.ip, str(incarnation)], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "0\n"
            flood = flood or Flood(lab)
            # each life is killed somewhere else in its round: the line is read while the next round is under way
            for _ in range(incarnation):
                child.stdout.readline()
            child.kill()
    assert flood is not None
    with lab.life(incarnation=4) as life:
        assert flood.end() == (0, 0)
        assert [row["port_dev"] for row in life.call("nwfilter_binding_list")] == [lab.guest.device]
        assert life.context.run.intents() == {}
        assert lab.passed(lab.frames()) == HONEST
        assert lab.host.degraded == {}


def replace_nft(lab: Lab, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put another program in the place of nft."""
    folder = lab.folder / "bin"
    folder.mkdir(exist_ok=True)
    for program in ("setpriv", "sh", "sleep", "cat"):
        if not (folder / program).exists():
            found = next(place for place in commands.SYSTEM_PATHS.split(":") if Path(place, program).exists())
            (folder / program).symlink_to(Path(found, program))
    (folder / "nft").unlink(missing_ok=True)
    if script:
        (folder / "nft").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "nft").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(commands, "SYSTEM_PATHS", str(folder))


def test_without_nft_it_is_skipped_with_the_package_to_install(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_nft(lab, monkeypatch, "")
    with lab.life() as life:
        assert life.outcome is InitResult.SKIPPED
    with pytest.raises(backend.NoFirewall, match="install the package nftables"):
        backend.features()


def test_without_nft_bound_ports_are_no_reason_to_skip_but_to_fail(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    with lab.life() as life:
        bind(life, lab)
    replace_nft(lab, monkeypatch, "")
    with pytest.raises(DriverError, match="1 ports have filters, and nft is not installed"), lab.life(incarnation=2):
        pass
    assert lab.passed(lab.frames()) == HONEST


def test_without_the_right_to_change_filters_it_says_which_one_it_needs(lab: Lab) -> None:
    code = "from tierhost.workers.nwfilter.backend import features; features()"
    argv = ["setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin", sys.executable, "-c", code]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    assert "give it CAP_NET_ADMIN" in done.stderr, lab


def test_an_nft_that_hangs_costs_the_call_its_deadline_and_the_port_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    with lab.life() as life:
        bind(life, lab)
        before = ruleset()
        with monkeypatch.context() as patch:
            replace_nft(lab, patch, "exec sleep 60")
            patch.setattr(backend, "LIMIT_S", 0.2)
            with pytest.raises(DriverError, match="did not finish within") as caught:
                bind(life, lab, "no-mac-spoofing")
            assert caught.value.code is Code.OPERATION_TIMEOUT
        assert ruleset() == before
        assert life.call("nwfilter_binding_lookup_by_port_dev", lab.guest.device)["filter"] == "clean-traffic"
        bind(life, lab, "no-mac-spoofing")
        assert "forged ip" in lab.passed(lab.frames())


def test_rules_that_cannot_be_applied_are_shown_and_tried_again(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    with lab.life() as life:
        bind(life, lab)
    nft = next(place for place in commands.SYSTEM_PATHS.split(":") if Path(place, "nft").exists())
    # reads and checks, and makes no rules
    refuse = """case "$said" in *'"rule"'*) echo Error: not today >&2; exit 1;; esac"""
    script = f'said=$(cat); {refuse}; printf %s "$said" | {nft}/nft "$@"'
    with monkeypatch.context() as patch:
        replace_nft(lab, patch, script)
        context = lab.life(incarnation=2)
        life = context.__enter__()
        assert "not today" in lab.host.degraded[f"binding {lab.guest.device}"]
        assert lab.passed(lab.frames()) == HONEST
    try:
        life.run_later()
        assert lab.host.degraded == {}
    finally:
        context.__exit__(None, None, None)


def foreign_before(lab: Lab) -> None:
    run("nft", f"add table bridge tierhost_nwf_{lab.guest.device}")


def foreign_with_chain(lab: Lab) -> None:
    foreign_before(lab)
    run("nft", f"add chain bridge tierhost_nwf_{lab.guest.device} made_by_others")


@pytest.mark.parametrize("make", [foreign_before, foreign_with_chain])
def test_a_table_that_somebody_else_made_is_left_alone(lab: Lab, make: Callable[[Lab], None]) -> None:
    make(lab)
    before = ruleset()
    with lab.life() as life:
        with pytest.raises(DriverError, match="exists that we did not make"):
            bind(life, lab)
        with pytest.raises(DriverError, match="no nwfilter binding"):
            life.call("nwfilter_binding_delete", lab.guest.device)
    with lab.life(incarnation=2) as life:
        assert life.context.run.intents() == {}
    assert ruleset() == before


def test_a_table_of_somebody_else_in_the_place_of_ours_is_reported_and_stays(lab: Lab) -> None:
    with lab.life() as life:
        bind(life, lab)
    run("nft", "flush", "ruleset")
    foreign_before(lab)
    with lab.life(incarnation=2) as life:
        assert "left alone" in lab.host.degraded[f"binding {lab.guest.device}"]
        life.driver.state_reload()
        life.call("unbind", lab.guest.device, OWNER, by="qemu")
        assert lab.host.degraded == {}
    assert "tierhost_nwf" in ruleset()


def test_rules_whose_record_is_lost_stay_until_the_port_is_bound_again(lab: Lab) -> None:
    with lab.life() as life:
        bind(life, lab)
    for file in (lab.folder / "run").glob("run.*.db*"):
        file.unlink()
    with lab.life(incarnation=2) as life:
        assert "record is lost" in lab.host.degraded[f"binding {lab.guest.device}"]
        assert lab.passed(lab.frames()) == HONEST
        assert life.call("keep_bindings", {OWNER: [lab.guest.device]}, by="qemu") == {"missing": [lab.guest.device]}
        bind(life, lab)
        assert f"binding {lab.guest.device}" not in lab.host.degraded
        assert lab.passed(lab.frames()) == HONEST
        life.call("keep_bindings", {}, by="qemu")
        assert ruleset() == ""


def test_a_port_belongs_to_one_owner_of_one_driver(lab: Lab) -> None:
    device, other = lab.guest.device, OWNER.replace("7a", "8a")
    with lab.life() as life:
        bind(life, lab)
        for by, owner in (("qemu", other), ("lxc", OWNER)):
            with pytest.raises(DriverError, match="bound for web already") as caught:
                life.call("bind", device, lab.guest.mac, "allow-arp", {}, owner, "other", by=by)
            assert caught.value.code is Code.RESOURCE_BUSY
            life.call("unbind", device, owner, by=by)
            life.call("keep_bindings", {}, by="lxc")
        xml = life.call("nwfilter_binding_get_xml_desc", device)
        with pytest.raises(DriverError, match="exists already"):
            life.call("nwfilter_binding_create_xml", xml)
        assert lab.passed(lab.frames()) == HONEST
        life.call("nwfilter_binding_delete", device)
        life.call("nwfilter_binding_create_xml", xml)
        assert life.call("nwfilter_binding_get_xml_desc", device) == xml


def test_what_this_kernel_lacks_is_refused_and_named(lab: Lab) -> None:
    with lab.life() as life:
        if backend.features():
            life.call("nwfilter_define_xml", STATED)
            bind(life, lab, "stated")
            return
        with pytest.raises(
            DriverError, match=r"statematch \(direction 'out'\) of <tcp> \(line 1\) needs connection tracking"
        ) as caught:
            life.call("nwfilter_define_xml", STATED)
        assert caught.value.code is Code.CONFIG_UNSUPPORTED
        assert "statematch='false'" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "told"),
    [("clean-traffic", r"\$IP has no value"), ("gone", "'gone' is missing"), ("clean-traffic-gateway", "has no value")],
)
def test_a_filter_that_cannot_be_for_this_port_binds_nothing(lab: Lab, name: str, told: str) -> None:
    with lab.life() as life:
        with pytest.raises(DriverError, match=told):
            bind(life, lab, name, OTHER="x")
        assert life.call("nwfilter_binding_list") == []
    assert ruleset() == ""


def test_a_built_in_filter_that_was_redefined_comes_back_when_that_is_undefined(lab: Lab) -> None:
    with lab.life() as life:
        old = life.call("nwfilter_lookup_by_name", "allow-arp")
        with pytest.raises(DriverError, match="it is built in"):
            life.call("nwfilter_undefine", "allow-arp")
        life.call("nwfilter_define_xml", f"<filter name='allow-arp'><uuid>{old['uuid']}</uuid></filter>")
        assert life.driver.objects()["filters"] == {"built in": 23, "defined": 1}
    with lab.life(incarnation=2) as life:
        assert life.call("nwfilter_lookup_by_uuid", old["uuid"])["builtin"] is False
        life.call("nwfilter_undefine", "allow-arp")
        assert life.call("nwfilter_lookup_by_name", "allow-arp") == old
