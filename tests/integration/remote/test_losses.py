"""Somebody dies or hangs: what was asked is done once or said to be unknown, and the other side's return is noticed."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.remote.conftest import frozen, until
from tierhost.ipc.errors import DeadlineExceeded, DriverError, PeerAbsent

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.remote.conftest import Pair


@pytest.fixture(scope="module")
def lossy(pair: Pair) -> Pair:
    """A connection of each kind between two hosts that suffer."""
    pair.introduce("secret.*", "tally.*", name="far")
    pair.call("connect_open", "far")
    pair.call("connect_open", "near", f"tierhost+unix://{pair.there.folder}")
    return pair


CONNECTIONS = pytest.mark.parametrize("connection", ["far", "near"])


@CONNECTIONS
@pytest.mark.parametrize("victim", ["here remote", "there remote", "there tally"])
def test_a_change_under_way_when_a_worker_is_killed_is_done_once(
    lossy: Pair, connection: str, victim: str, tmp_path: Path
) -> None:
    where, name = victim.split()
    host = lossy.here if where == "here" else lossy.there
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    until(lambda: lossy.alive(connection), f"{connection} is connected")
    before = lossy.at("tally.count", changes=False)
    answer: list[Any] = []

    def change() -> None:
        with lossy.here.client() as client:
            answer.append(client.call("remote.connect_call", connection, "tally.add", str(gate), deadline_s=15.0))

    asking = threading.Thread(target=change)
    asking.start()
    until(lambda: lossy.at("tally.count", changes=False) == before + 1, "the call has begun over there")
    life = host.signal_worker(name, signal.SIGKILL)
    host.wait_phase(name, "READY", above=life)
    if name != "tally":
        os.close(until(lambda: _opened(gate), "the call waits at the gate"))
    asking.join(20.0)
    assert answer == [before + 1]
    assert lossy.at("tally.count", changes=False) == before + 1


def _opened(gate: Path) -> int | None:
    """The writing end of a pipe that somebody reads; None while nobody does."""
    try:
        return os.open(gate, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None


def test_a_hung_worker_there_costs_its_callers_their_deadline_and_no_more(lossy: Pair) -> None:
    until(lambda: lossy.alive("far"), "far is connected")
    with frozen(lossy.there, "remote"):
        began_s = time.monotonic()
        with pytest.raises((DeadlineExceeded, PeerAbsent)):
            lossy.over("far", "secret.secret_list", deadline_s=1.0)
        assert time.monotonic() - began_s < 3.0
        until(lambda: not lossy.alive("far"), "the loss is noticed")
        assert lossy.client.call("secret.secret_list") == []
        with pytest.raises(PeerAbsent, match="the other side is lost"):
            lossy.over("far", "secret.secret_list", deadline_s=5.0)
        assert "connection far" in lossy.here.driver("remote")["degraded"]
    until(lambda: lossy.alive("far"), "the return is noticed")
    lossy.over("far", "secret.secret_list")


def test_a_host_that_ends_is_lost_and_its_return_is_told(lossy: Pair) -> None:
    assert lossy.there.running is not None
    until(lambda: lossy.alive("near") and lossy.alive("far"), "both are connected")
    number = lossy.client.host("directory")["number"]
    with lossy.there.client() as client:
        client.host("shutdown", force=True)
    lossy.there.running.process.wait(20.0)
    until(lambda: not lossy.alive("near") and not lossy.alive("far"), "both are lost")
    for connection in ("near", "far"):
        with pytest.raises(PeerAbsent):
            lossy.over(connection, "secret.secret_list")
    lossy.there.begin()
    until(lambda: lossy.alive("near") and lossy.alive("far"), "both are back")
    wanted = {(kind, f"connection {name}") for kind in ("remote-lost", "remote-connected") for name in ("near", "far")}
    until(lambda: wanted <= {(event.kind, event.subject) for event in lossy.client.events(number)}, "all of it is told")
    ours = {"connection near", "connection far"}
    until(lambda: not ours & lossy.here.driver("remote")["degraded"].keys(), "they are degraded no more")


def test_the_next_life_opens_exactly_what_was_open(lossy: Pair) -> None:
    lossy.call("connect_define", "shut", f"tierhost+unix://{lossy.there.folder}")
    before = lossy.call("connect_list")
    life = lossy.here.signal_worker("remote", signal.SIGKILL)
    lossy.here.wait_phase("remote", "READY", above=life)
    assert lossy.call("connect_list") == before
    until(lambda: lossy.alive("near") and lossy.alive("far"), "both are open")
    with pytest.raises(DriverError, match="is not open"):
        lossy.over("shut", "secret.secret_list")


def test_the_secret_halves_are_in_private_files_only(lossy: Pair) -> None:
    for host in (lossy.here, lossy.there):
        for folder in (host.root.driver_state("remote"), host.root.driver_run("remote")):
            assert all(file.stat().st_mode & 0o077 == 0 for file in folder.iterdir())
