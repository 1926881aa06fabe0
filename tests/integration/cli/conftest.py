"""One host for the tests that only ask, a private root for those that start and end one; and a terminal."""

from __future__ import annotations

import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.ending import end_host
from tierhost.ipc.paths import Root

if TYPE_CHECKING:
    from collections.abc import Iterator

TIERHOST = (sys.executable, "-m", "tierhost.host")
PATIENCE_S = 30.0


@dataclass(frozen=True)
class Ran:
    """What one command did."""

    code: int
    out: str
    err: str

    def rows(self) -> list[list[str]]:
        """The columns of each line."""
        return [line.split("\t") for line in self.out.splitlines()]


@dataclass(frozen=True)
class Shell:
    """Runs `tierhost --root folder ...`."""

    folder: Path

    @property
    def root(self) -> Root:
        return Root.under(self.folder)

    def argv(self, *words: str) -> list[str]:
        return [*TIERHOST, "--root", str(self.folder), *words]

    def run(self, *words: str, given: bytes = b"") -> Ran:
        """Run a command as a script does: with pipes."""
        done = subprocess.run(self.argv(*words), input=given, capture_output=True, timeout=PATIENCE_S, check=False)
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    def row(self, name: str) -> list[str]:
        """What `status` says of one driver: tier, name, phase, pid, incarnation, restarts, ..."""
        return next(row for row in self.run("status").rows() if row[1] == name)

    @contextmanager
    def start(self, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        """Start a command whose output is read as it comes; it does not outlive the block."""
        with subprocess.Popen(
            self.argv(*words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def terminal(self, *words: str) -> Terminal:
        """Run a command as a person does: on a terminal."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(self.argv(*words), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)
        return Terminal(ours, process)


class Terminal:
    """The person's end of a terminal."""

    def __init__(self, fd: int, process: subprocess.Popen[bytes]) -> None:
        self._fd = fd
        self.process = process
        self.seen = ""

    def read_until(self, text: str) -> str:
        """Read on until the text was seen; returns everything seen so far."""
        end_s = time.monotonic() + PATIENCE_S
        while text not in self.seen:
            assert self._read(end_s - time.monotonic()), f"{text!r} did not come; this did: {self.seen}"
        return self.seen

    def read_all(self) -> Ran:
        """Read to the end of the command."""
        end_s = time.monotonic() + PATIENCE_S
        while self._read(end_s - time.monotonic()):
            pass
        os.close(self._fd)
        return Ran(self.process.wait(PATIENCE_S), self.seen.replace("\r\n", "\n"), "")

    def _read(self, patience_s: float) -> bool:
        if not select.select([self._fd], [], [], max(0.0, patience_s))[0]:
            return False
        try:
            self.seen += os.read(self._fd, 4096).decode()
        except OSError:
            # This is how Linux says that nobody has the other end open any more.
            return False
        return True


@pytest.fixture
def shell() -> Iterator[Shell]:
    """A root of its own, without a host."""
    yield from _shell()


@pytest.fixture(scope="module")
def up() -> Iterator[Shell]:
    """A host that this module's tests ask, started by the command line itself."""
    for made in _shell():
        assert made.run("up", "--detach").code == 0
        yield made


def _shell() -> Iterator[Shell]:
    folder = Path(tempfile.mkdtemp(prefix="th", dir="/tmp"))
    made = Shell(folder)
    try:
        yield made
    finally:
        end_host(made.root)
        shutil.rmtree(folder)


def interrupt(process: subprocess.Popen[bytes]) -> Ran:
    """Press Ctrl-C, and wait for the end."""
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_S)
    return Ran(process.returncode, out.decode(), err.decode())
