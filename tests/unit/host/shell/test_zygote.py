"""The process that forks, over its real channel: who is born, what children inherit, who is gone and how."""

from __future__ import annotations

import ast
import os
import select
import signal
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgpack
import multiprocess
import pytest

from tierhost.host.shell import procfs, zygote

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENTRY = "tests.unit.host.shell.entries:live"
PATIENCE_MS = 20_000


class Nest:
    """A zygote as the host starts it, and its host's end of the channel."""

    def __init__(self, folder: Path, preload: tuple[str, ...] = ()) -> None:
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        context = multiprocess.get_context("fork")
        self.process = context.Process(target=zygote.serve, args=(theirs, ENTRY))
        self.process.start()
        theirs.close()
        self.channel.settimeout(PATIENCE_MS / 1000)
        self.channel.send(msgpack.packb({"preload": list(preload)}))
        self.folder = folder
        self.children: list[int] = []

    def order(self, serial: str, cgroup: str = "", **launch: Any) -> None:
        log = str(self.folder / f"{serial}.log")
        words = {"serial": serial, "cgroup": cgroup, "log": log, "launch": launch}
        self.channel.send(msgpack.packb(words))

    def hear(self) -> tuple[dict[str, Any], list[int]]:
        data, fds, _, _ = socket.recv_fds(self.channel, 65_536, 1)
        self.children += fds
        return msgpack.unpackb(data), fds

    def close(self) -> None:
        self.channel.close()
        for pidfd in self.children:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            os.close(pidfd)
        self.process.join(PATIENCE_MS / 1000)
        self.process.close()


@pytest.fixture
def nest(tmp_path: Path) -> Iterator[Nest]:
    made = Nest(tmp_path)
    yield made
    made.close()


def wait_dead(pidfd: int) -> None:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    assert poll.poll(PATIENCE_MS)


def test_a_child_is_born_with_a_pidfd_of_its_own_and_its_own_session(nest: Nest, tmp_path: Path) -> None:
    nest.order("a.1", write=str(tmp_path / "state"), exit=0)
    word, [pidfd] = nest.hear()
    wait_dead(pidfd)
    state = ast.literal_eval((tmp_path / "state").read_text())
    assert word == {"born": "a.1", "pid": state["pid"]}
    assert state["sid"] == state["pid"]
    assert state["pid"] not in {os.getpid(), nest.process.pid}


def test_a_child_inherits_no_open_file_of_the_host_and_writes_into_its_own_log(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        os.set_inheritable(lock.fileno(), True)
        nest = Nest(tmp_path)
        try:
            nest.order("a.1", write=str(tmp_path / "state"), exit=0)
            _, [pidfd] = nest.hear()
            wait_dead(pidfd)
        finally:
            nest.close()
    assert ast.literal_eval((tmp_path / "state").read_text())["files"] == []
    assert (tmp_path / "a.1.log").read_text() == "said on stderr\n"
    assert (tmp_path / "a.1.log").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("launch", "status"),
    [({"exit": 0}, 0), ({"exit": 3}, 3), ({}, zygote.EXIT_ENTRY_FAILED), ({"wait": True}, -signal.SIGKILL)],
)
def test_a_dead_child_is_reaped_and_said_to_be_gone_with_how_it_ended(launch: dict[str, Any], status: int, nest: Nest) -> None:
    nest.order("a.1", **launch)
    _, [pidfd] = nest.hear()
    if "wait" in launch:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    word, fds = nest.hear()
    assert (word, fds) == ({"gone": "a.1", "status": status}, [])


def test_a_child_that_fails_before_its_entry_costs_only_itself(nest: Nest, tmp_path: Path) -> None:
    (tmp_path / "a.1.log").mkdir()
    nest.order("a.1", wait=True)
    nest.order("a.2", exit=0)
    words = [nest.hear()[0] for _ in range(4)]
    assert sorted(word["status"] for word in words if "gone" in word) == [0, 1]
    assert [word["born"] for word in words if "born" in word] == ["a.1", "a.2"]


def test_a_child_enters_its_cgroup_before_anything_of_its_own_runs(nest: Nest, tmp_path: Path) -> None:
    for serial, is_there in (("a.1", True), ("a.2", False)):
        place = tmp_path / "fence" / serial
        if is_there:
            # As the kernel does it: a cgroup comes with its files.
            place.mkdir(parents=True)
            (place / "cgroup.procs").touch()
        nest.order(serial, cgroup=str(place), exit=0)
        _, [pidfd] = nest.hear()
        wait_dead(pidfd)
        assert nest.hear()[0]["gone"] == serial
    assert (tmp_path / "fence/a.1/cgroup.procs").read_text() == "0"
    assert (tmp_path / "fence/a.2").is_dir()


def test_without_a_host_the_zygote_leaves_and_its_children_live_on(nest: Nest) -> None:
    nest.order("a.1", wait=True)
    _, [pidfd] = nest.hear()
    nest.channel.close()
    nest.process.join(PATIENCE_MS / 1000)
    assert nest.process.exitcode == 0
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    assert poll.poll(0) == []


def test_what_cannot_be_preloaded_is_left_to_the_driver_that_misses_it(tmp_path: Path) -> None:
    nest = Nest(tmp_path, preload=("no_such_module_anywhere", "json"))
    try:
        nest.order("a.1", exit=0)
        assert nest.hear()[0]["born"] == "a.1"
    finally:
        nest.close()


def test_how_a_child_ended_can_be_read_off_it_though_others_are_forked_since(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(zygote, "REAP_AFTER_S", float(PATIENCE_MS))
    nest = Nest(tmp_path)
    try:
        nest.order("a.1", write=str(tmp_path / "first"), exit=7)
        word, [pidfd] = nest.hear()
        wait_dead(pidfd)
        nest.order("b.1", write=str(tmp_path / "second"), exit=0)
        assert nest.hear()[0]["born"] == "b.1"
        assert procfs.exit_status(word["pid"]) == 7
    finally:
        nest.close()
