"""What every benchmark is given: a short private folder, the shelter its processes live under, and how long it may take."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.processes import PATIENCE_S, end_all_below

if TYPE_CHECKING:
    from collections.abc import Iterator

PEERS = Path(__file__).parent / "peers"
MEMORY = Path("/dev/shm")
"""Where everybody's files are, ours and the peers': in memory, as runtime directories are (and all of libvirtd's here).

On a disk, ext4 looks for inodes among those that the last round has given back, for half of the time that is measured.
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """One benchmark's private world."""

    folder: Path
    shelter: int
    quick: bool

    def times(self, full: int, quick: int) -> int:
        """How often to measure."""
        return quick if self.quick else full

    def peer(self, script: str, *arguments: str, **pipes: int) -> subprocess.Popen[str]:
        """Start one of the peers' programs with our own Python."""
        argv = [sys.executable, str(PEERS / script), *arguments]
        return subprocess.Popen(argv, text=True, stdin=pipes.get("stdin"), stdout=pipes.get("stdout"))

    def end_processes(self) -> int:
        """End whatever the benchmark has started so far."""
        return end_all_below(self.shelter)


@contextmanager
def private(shelter: int, *, quick: bool) -> Iterator[Setting]:
    """Make a setting, and leave nothing of it behind: no process, no file. Mounts are in namespaces that die with them."""
    folder = Path(tempfile.mkdtemp(prefix="tb", dir=MEMORY if os.access(MEMORY, os.W_OK) else "/tmp"))
    setting = Setting(folder, shelter, quick)
    try:
        yield setting
    finally:
        setting.end_processes()
        shutil.rmtree(folder, ignore_errors=True)


class Peers:
    """Some of the peers' workers (peers/worker.py), started as a program would: one subprocess each."""

    def __init__(self, setting: Setting, count: int) -> None:
        """Start them all, and wait until each has said that it serves."""
        self._folder = Path(tempfile.mkdtemp(dir=setting.folder))
        ready = self._folder / "ready"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
            door.bind(str(ready))
            door.settimeout(PATIENCE_S)
            self._processes = [
                setting.peer("worker.py", self.endpoint(number), str(ready), str(number)) for number in range(count)
            ]
            for _ in range(count):
                door.recv(64)

    @property
    def pids(self) -> list[int]:
        """Their processes."""
        return [process.pid for process in self._processes]

    def endpoint(self, number: int) -> str:
        """Where one of them listens."""
        return str(self._folder / str(number))

    def close(self) -> None:
        """End them."""
        for process in self._processes:
            process.kill()
            process.wait()
