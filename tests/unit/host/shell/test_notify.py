"""What the service manager and the starter hear, and what happens when they do not listen."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tierhost.host.shell.notify import Readiness, ServiceManager

if TYPE_CHECKING:
    from collections.abc import Iterator


class FakeSystemd:
    """Listens as systemd does."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.setblocking(False)

    def heard(self) -> list[list[str]]:
        """Return the datagrams since, each as its lines."""
        words = []
        while True:
            try:
                words.append(self._socket.recv(65_536).decode().split("\n"))
            except BlockingIOError:
                return words

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest) -> Iterator[FakeSystemd]:
    with tempfile.TemporaryDirectory(prefix="th", dir="/tmp") as folder:
        address = f"{folder}/notify"
        fake = FakeSystemd(address if request.param == "path" else "@" + address)
        yield fake
        fake.close()


@pytest.fixture
def voice(systemd: FakeSystemd) -> Iterator[ServiceManager]:
    made = ServiceManager(systemd.address)
    yield made
    made.close()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe; Readiness closes the end that it is given."""
    read, write = os.pipe()
    yield read, write
    os.close(read)


def test_states_travel_in_one_datagram_one_a_line(voice: ServiceManager, systemd: FakeSystemd) -> None:
    voice.tell("READY=1", "STATUS=all is well")
    voice.tell("STOPPING=1")
    assert systemd.heard() == [["READY=1", "STATUS=all is well"], ["STOPPING=1"]]


def test_a_reason_in_several_lines_or_no_text_does_not_become_a_state_of_its_own(
    voice: ServiceManager, systemd: FakeSystemd
) -> None:
    voice.tell("STATUS=held: no\nREADY=1\udcff")
    assert systemd.heard() == [["STATUS=held: no READY=1\\udcff"]]


def test_the_address_is_taken_from_the_environment(systemd: FakeSystemd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", systemd.address)
    voice = ServiceManager()
    voice.tell("READY=1")
    voice.close()
    assert systemd.heard() == [["READY=1"]]


def test_where_nobody_manages_us_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    voice = ServiceManager()
    voice.tell("READY=1")
    voice.close()


def test_a_systemd_that_is_gone_is_not_spoken_to_any_more(voice: ServiceManager, systemd: FakeSystemd) -> None:
    systemd.close()
    if not systemd.address.startswith("@"):
        Path(systemd.address).unlink()
    voice.tell("READY=1")
    voice.tell("STOPPING=1")


def test_a_systemd_that_does_not_read_is_spoken_to_again_once_it_does(voice: ServiceManager, systemd: FakeSystemd) -> None:
    for _ in range(2000):
        voice.tell("STATUS=" + "x" * 1000)
    assert len(systemd.heard()) < 2000
    voice.tell("READY=1")
    assert systemd.heard() == [["READY=1"]]


def test_ready_is_said_once_to_both_with_what_is_ready(
    voice: ServiceManager, systemd: FakeSystemd, pipe: tuple[int, int]
) -> None:
    readiness = Readiness(voice, pipe[1])
    readiness.tier("tier libvirt ready")
    readiness.settled("libvirt ready")
    readiness.settled("libvirt held")
    assert os.read(pipe[0], 100) == b"libvirt ready"
    assert os.read(pipe[0], 100) == b""
    assert systemd.heard() == [
        ["STATUS=tier libvirt ready", "EXTEND_TIMEOUT_USEC=60000000"],
        ["READY=1", "STATUS=libvirt ready", f"MAINPID={os.getpid()}"],
    ]


def test_a_host_that_ends_before_it_is_ready_closes_the_pipe_without_a_word(pipe: tuple[int, int]) -> None:
    Readiness(ServiceManager(""), pipe[1]).stopping()
    assert os.read(pipe[0], 100) == b""


def test_a_starter_that_has_stopped_waiting_does_not_end_the_host() -> None:
    read, write = os.pipe()
    os.close(read)
    Readiness(ServiceManager(""), write).settled("libvirt ready")


def test_the_end_is_told_last(voice: ServiceManager, systemd: FakeSystemd) -> None:
    Readiness(voice, None).stopping()
    voice.tell("STATUS=too late")
    assert systemd.heard() == [["STOPPING=1"]]


def test_progress_is_for_a_person_who_asked_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    for progress in (False, True):
        readiness = Readiness(ServiceManager(""), None, progress=progress)
        readiness.tier("tier libvirt ready")
        readiness.stopping()
    assert capsys.readouterr().err == "tier libvirt ready\nended\n"


def test_a_terminal_that_is_gone_does_not_end_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.close(read)
    # Unbuffered, as a terminal is; what fails is the first word already.
    with os.fdopen(write, "wb", buffering=0) as gone:
        monkeypatch.setattr("sys.stderr", FakeTerminal(gone.fileno()))
        readiness = Readiness(ServiceManager(""), None, progress=True)
        readiness.tier("tier libvirt ready")
        readiness.tier("tier hypervisor ready")


class FakeTerminal:
    """Writes at once."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def write(self, text: str) -> int:
        return os.write(self._fd, text.encode())

    def flush(self) -> None:
        """Nothing is kept back."""
