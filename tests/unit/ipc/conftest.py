"""A short folder for sockets, sockets that are closed whatever happens, and peers in processes of their own."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest

from tierhost.ipc.sockets import Sockets

if TYPE_CHECKING:
    import zmq

PEER = Path(__file__).with_name("peer.py")

Start: TypeAlias = Callable[..., "subprocess.Popen[bytes]"]


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
