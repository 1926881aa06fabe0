"""A short folder for sockets, sockets that are closed whatever happens, and peers in processes of their own."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from tests.unit.ipc.callee import PATIENCE_S, FakeCallee, Say, echo
from tests.unit.ipc.fake_host import FakeHost
from tierhost.ipc.calls import Caller, WokenByLoop
from tierhost.ipc.client import Client
from tierhost.ipc.directory import Directory
from tierhost.ipc.paths import Root
from tierhost.ipc.sockets import Sockets

if TYPE_CHECKING:
    import zmq

PEER = Path(__file__).with_name("peer.py")

Start: TypeAlias = Callable[..., "subprocess.Popen[bytes]"]
Live: TypeAlias = Callable[..., FakeCallee]
Hosts: TypeAlias = Callable[..., FakeHost]


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="th", dir="/tmp"))
    yield made
    shutil.rmtree(made)


class Keeping(Sockets):
    """Holds every socket until the end of the test, so that none is collected unclosed when a test function returns."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: list[zmq.Socket[bytes]] = []

    def _make(self, kind: int, *, send_max: int, receive_max: int) -> zmq.Socket[bytes]:
        made = super()._make(kind, send_max=send_max, receive_max=receive_max)
        self._kept.append(made)
        return made


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    made = Keeping()
    yield made
    made.close()


@pytest.fixture
def start_peer() -> Iterator[Start]:
    """Start peer.py with these words; returns when it is ready."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*words: str | Path) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, PEER, *words], stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture
def directory() -> Directory:
    return Directory()


@pytest.fixture
def caller(directory: Directory) -> Iterator[Caller]:
    news = WokenByLoop(directory)
    made = Caller(directory, news, name="qemu", incarnation=4)
    yield made
    made.close()
    news.close()


@pytest.fixture
def live(sockets: Sockets, folder: Path, directory: Directory) -> Iterator[Live]:
    """Begin a life of the fake callee, and say so in the directory."""
    lives: list[FakeCallee] = []

    def begin(say: Say = echo, *, incarnation: int = 1, up: bool = True) -> FakeCallee:
        callee = FakeCallee(folder, say, incarnation=incarnation)
        lives.append(callee)
        if up:
            directory.up(callee.entry)
        return callee

    yield begin
    for callee in lives:
        callee.stop()


@pytest.fixture
def root(folder: Path) -> Root:
    made = Root.under(folder)
    (made.run / "workers").mkdir(parents=True)
    return made


@pytest.fixture
def start_host(sockets: Sockets, root: Root) -> Iterator[Hosts]:
    hosts: list[FakeHost] = []

    def start(**words: Any) -> FakeHost:
        hosts.append(FakeHost(sockets, root, **words))
        return hosts[-1]

    yield start
    for host in hosts:
        host.stop()


@pytest.fixture
def host(start_host: Hosts) -> FakeHost:
    return start_host()


@pytest.fixture
def client(host: FakeHost, root: Root) -> Iterator[Client]:
    with Client(root, deadline_s=PATIENCE_S) as made:
        hear(made, host)
        yield made


def hear(client: Client, host: FakeHost) -> None:
    """Wait until the client's subscription has reached the host: before that, events are lost on the way."""
    before = host.number

    def heard() -> bool:
        host.say("tick")
        return client._following._number > before

    client.wait_until(heard, "the client hears the host")
