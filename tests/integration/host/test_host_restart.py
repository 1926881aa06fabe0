"""The host dies: its workers go on, and the next host takes them over."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys

import msgpack
import pytest

from tests.integration.host.conftest import PATIENCE_S, Site, until
from tests.integration.host.drivers import Above, Below, Echo
from tierhost.host import launch
from tierhost.host.shell import procfs
from tierhost.host.shell.lives import Lives
from tierhost.ipc.errors import PeerAbsent, TierhostError


def test_the_next_host_adopts_every_live_worker(site: Site) -> None:
    site.start(Above, Below).kill()
    lives = {name: _life(site, name) for name in ("above", "below")}
    site.start()
    for name, life in lives.items():
        row = site.wait_phase(name, "READY")
        assert (row["pid"], row["incarnation"], row["restarts"]) == (life["pid"], life["incarnation"], 0)


def test_workers_answer_while_there_is_no_host(site: Site) -> None:
    running = site.start(Echo)
    with site.client() as client:
        assert client.call("echo.echo", "before") == "before"
        running.kill()
        assert client.call("echo.echo", "without a host") == "without a host"
        site.start()
        assert client.call("echo.echo", "after") == "after"


def test_a_client_that_comes_while_there_is_no_host_finds_the_workers_and_then_the_next_host(site: Site) -> None:
    site.start(Echo, Below).kill()
    with site.client() as client:
        assert client.call("echo.echo", "without a host") == "without a host"
        with pytest.raises(PeerAbsent, match="no host runs"):
            client.host("status")
        site.start()
        assert client.host("status")["host"]["state"] == "ready"
        before = _life(site, "echo")
        os.kill(before["pid"], signal.SIGKILL)
        assert client.call("echo.echo", "the next life", changes=False) == "the next life"


def test_a_client_finds_nobody_where_everybody_is_dead(site: Site) -> None:
    site.start(Echo).kill()
    for life in Lives(site.root.lives).read()[0]:
        pidfd = os.pidfd_open(life.pid)
        os.kill(life.pid, signal.SIGKILL)
        assert select.select([pidfd], [], [], PATIENCE_S)[0]
        os.close(pidfd)
    with pytest.raises(PeerAbsent, match="no host runs"):
        site.client()


def test_a_worker_that_died_with_the_host_gets_a_later_life(site: Site) -> None:
    running = site.start(Echo)
    before = site.driver("echo")
    os.kill(running.pid, signal.SIGKILL)
    os.kill(before["pid"], signal.SIGKILL)
    running.process.wait()
    site.start()
    after = site.wait_phase("echo", "READY", above=before["incarnation"])
    assert after["pid"] != before["pid"]


def test_what_a_burial_cut_short_left_behind_is_gone_after_the_next_start(site: Site) -> None:
    site.start(Echo).kill()
    life = _life(site, "echo")
    theirs = site.root.worker_socket("echo", life["incarnation"])
    # As after a host that died between the successor's record and the end of the burial: no record names this life.
    orphaned = site.root.worker_socket("echo", life["incarnation"] - 1)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(orphaned))
    silent, telling = (site.root.run / "logs" / f"worker-gone.{number}.log" for number in (1, 2))
    silent.touch()
    telling.write_text("what a person wants to read\n")
    site.start()
    with site.client() as client:
        assert client.call("echo.echo", "hello") == "hello"
    assert theirs.is_socket()
    assert not orphaned.exists()
    assert not silent.exists()
    assert telling.exists()


def test_a_second_host_on_the_same_root_is_refused_with_the_first_ones_pid(site: Site) -> None:
    running = site.start(Echo)
    argv = [sys.executable, "-m", "tierhost.host", "--root", str(site.folder), "up"]
    second = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    assert second.returncode == 1
    assert str(running.pid) in second.stderr
    assert site.driver("echo")["phase"] == "READY"


def test_a_record_whose_pid_now_belongs_to_another_program_is_not_adopted(site: Site) -> None:
    site.start(Echo).kill()
    path = site.root.lives / "echo"
    life = msgpack.unpackb(path.read_bytes())
    os.kill(life["pid"], signal.SIGKILL)
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        life["pid"] = stranger.pid
        path.write_bytes(msgpack.packb(life))
        site.start()
        assert site.wait_phase("echo", "READY", above=life["incarnation"])["pid"] != stranger.pid
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize("damage", [b"", b"\xff" * 40, b"\x81\xa1a"])
def test_a_damaged_record_of_a_life_is_reported_and_its_driver_comes_up(site: Site, damage: bytes) -> None:
    site.start(Echo).kill()
    path = site.root.lives / "echo"
    old = msgpack.unpackb(path.read_bytes())
    path.write_bytes(damage)
    site.start()
    row = site.wait_phase("echo", "READY")
    assert row["pid"] != old["pid"]
    until(lambda: procfs.start_time(old["pid"]) != old["start_time"], "the life nobody has a record of is gone")
    with site.client() as client:
        kinds = {event["kind"] for event in client.host("events_since", 0)}
    assert "life-record-damaged" in kinds


def test_stale_sockets_and_locks_do_not_hinder_a_host(site: Site) -> None:
    site.root.run.mkdir(parents=True)
    site.root.lock.write_text("4194000\n")
    for path in (site.root.host_socket, site.root.events_socket):
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(str(path))
        stale.close()
    site.start(Echo)
    assert site.driver("echo")["phase"] == "READY"


def test_a_read_only_state_directory_is_refused_with_its_name(site: Site) -> None:
    site.folder.joinpath("state").write_text("a file where the directory should be")
    with pytest.raises(launch.CannotLaunch, match="state"):
        site.start(Echo)


def test_down_is_refused_while_a_driver_holds_it_off(site: Site) -> None:
    running = site.start(Echo)
    with site.client() as client:
        client.call("echo.hold", "2 guests are running")
        until(lambda: client.host("status")["host"]["inhibitors"], "the host knows")
        with pytest.raises(TierhostError, match="2 guests are running"):
            client.host("shutdown")
        assert site.driver("echo")["phase"] == "READY"
        client.call("echo.hold", "")
        until(lambda: not client.host("status")["host"]["inhibitors"], "the host knows")
        client.host("shutdown")
    assert running.process.wait(20) == 0


def test_down_leaves_no_process_no_socket_and_no_cgroup(site: Site) -> None:
    running = site.start(Above, Below)
    pids = [site.driver(name)["pid"] for name in ("above", "below")]
    with site.client() as client:
        client.host("shutdown")
    assert running.process.wait(20) == 0
    until(lambda: all(procfs.is_dead(pid) for pid in pids), "the workers are gone")
    assert not site.root.host_socket.exists()
    assert list((site.root.run / "workers").iterdir()) == []


def _life(site: Site, name: str) -> dict[str, int]:
    record: dict[str, int] = msgpack.unpackb((site.root.lives / name).read_bytes())
    return record
