"""Two peers that bring a killed ZeroMQ worker back: runit's runsv, and the bare parked spare."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgpack
import zmq

from tests.benchmarks.processes import held, until
from tests.benchmarks.setting import PEERS

if TYPE_CHECKING:
    from tests.benchmarks.setting import Setting

PATIENCE_MS = 20_000
RECONNECT_MS = 1

RUN = """#!/bin/sh
exec {python} {worker} {socket} 2>&1
"""


def ask(context: zmq.Context[zmq.Socket[bytes]], endpoint: str, word: str = "") -> int:
    """Connect, ask as soon as somebody is connected, return the pid of whoever answered. Raises TimeoutError."""
    with context.socket(zmq.DEALER) as line:
        line.setsockopt(zmq.IMMEDIATE, 1)
        line.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
        line.setsockopt(zmq.LINGER, 0)
        line.connect(endpoint)
        if not line.poll(PATIENCE_MS, zmq.POLLOUT):
            raise TimeoutError(endpoint)
        line.send(msgpack.packb(word))
        if not line.poll(PATIENCE_MS):
            raise TimeoutError(endpoint)
        pid: int = msgpack.unpackb(line.recv())
        return pid


class Runit:
    """One runsv with one service: the peers' worker."""

    def __init__(self, setting: Setting, name: str) -> None:
        folder = setting.folder / name
        folder.mkdir()
        self._endpoint = f"ipc://{folder}/worker.sock"
        self._pid_file = folder / "supervise" / "pid"
        run = folder / "run"
        run.write_text(RUN.format(python=sys.executable, worker=PEERS / "worker.py", socket=folder / "worker.sock"))
        run.chmod(0o700)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        subprocess.Popen(["runsv", str(folder)])
        self._pid = ask(self._context, self._endpoint)
        self._since_s = time.monotonic()

    def kill_to_serving_s(self, up_s: float) -> float:
        """Kill the worker once it has been up for `up_s`; return when another one answers."""
        until(lambda: time.monotonic() - self._since_s >= up_s, "the service is old enough for runsv to restart it at once")
        assert int(self._pid_file.read_text()) == self._pid
        with held(self._pid) as body:
            start_s = time.monotonic()
            body.send(signal.SIGKILL)
            body.wait_gone()
            self._pid = ask(self._context, self._endpoint)
        self._since_s = time.monotonic()
        return self._since_s - start_s


class Floor:
    """The bare parked spare; see peers/floor.py."""

    def __init__(self, setting: Setting) -> None:
        folder = setting.folder / "floor"
        folder.mkdir()
        setting.peer("floor.py", str(folder))
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._parent = self._context.socket(zmq.DEALER)
        self._parent.connect(f"ipc://{folder}/floor.sock")
        self._parent.send_multipart([b"spare", b""])
        self._pid = self._next_life()
        self._parent.send_multipart([b"spare", b""])
        self._since_s = time.monotonic()

    def _next_life(self) -> int:
        if not self._parent.poll(PATIENCE_MS):
            raise TimeoutError
        endpoint, pid = msgpack.unpackb(self._parent.recv())
        assert ask(self._context, endpoint) == pid
        return int(pid)

    def kill_to_serving_s(self) -> float:
        """Kill the worker; return when the spare has taken its place and answered."""
        until(lambda: time.monotonic() - self._since_s > 0.05 and Path(f"/proc/{self._pid}").exists(), "the next spare is parked")
        with held(self._pid) as body:
            start_s = time.monotonic()
            body.send(signal.SIGKILL)
            self._pid = self._next_life()
            took_s = time.monotonic() - start_s
        self._parent.send_multipart([b"spare", b""])
        self._since_s = time.monotonic()
        return took_s
