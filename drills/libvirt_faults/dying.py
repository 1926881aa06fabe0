"""A daemon that dies right at one of its own writes: strace, from outside, sends SIGKILL at the n-th durable system call."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from tierhost.drills import leaks
from tierhost.drills.faults import BadPlan, NotFired

if TYPE_CHECKING:
    from pathlib import Path

CALLS: Final = ("fsync", "fdatasync", "rename")
"""What makes a state write durable, or gives it its name. strace counts each by itself, in each thread."""

ATTACH_LIMIT_S: Final = 10.0
DETACH_LIMIT_S: Final = 0.5
DEATH_LIMIT_S: Final = 1.0
QUOTE_CHARS_MAX: Final = 160


@dataclass(slots=True)
class DiesAtWrite:
    """Attached to the threads that a process has, for a `with`; the n-th such call of one of them is the last."""

    pid: int
    call: str
    number: int
    log: Path
    _pidfd: int = -1
    _tracer: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        if shutil.which("strace") is None:
            raise BadPlan("strace is not installed", hint="install the package strace")
        self._pidfd = os.pidfd_open(self.pid)
        # Thread by thread, and not -f: what it starts (QEMU) is none of ours, and ten times slower when it is traced.
        threads = [f"-p{thread}" for thread in sorted(os.listdir(f"/proc/{self.pid}/task"), key=int)]
        inject = f"inject={self.call}:signal=SIGKILL:when={self.number}"
        argv = ["strace", *threads, "-o", str(self.log), "-e", f"trace={self.call}", "-e", inject]
        self._tracer = subprocess.Popen(argv, stderr=subprocess.PIPE, start_new_session=True)
        assert self._tracer.stderr is not None
        end_s, said = time.monotonic() + ATTACH_LIMIT_S, b""
        while said.count(b" attached") < len(threads):
            heard = select.select([self._tracer.stderr], [], [], max(0.0, end_s - time.monotonic()))[0]
            chunk = os.read(self._tracer.stderr.fileno(), 4096) if heard else b""
            if not chunk:
                self.__exit__()
                raise NotFired(f"strace did not attach: {said.decode(errors='replace').strip()}", hint="it takes root")
            said += chunk
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go()
        os.close(self._pidfd)

    def _let_go(self) -> None:
        """End the tracer. Whom it traces goes on, or comes to its end: strace waits for ever for a child of the dead."""
        tracer, self._tracer = self._tracer, None
        if tracer is not None:
            tracer.terminate()
            try:
                tracer.wait(DETACH_LIMIT_S)
            except subprocess.TimeoutExpired:
                tracer.kill()
                tracer.wait()
            assert tracer.stderr is not None
            tracer.stderr.close()

    def proof(self) -> str:
        """Return the call it died at. Raises NotFired if it lives: it makes fewer such calls than that."""
        self._let_go()
        if not leaks.wait_readable(self._pidfd, DEATH_LIMIT_S):
            raise NotFired(f"it made fewer than {self.number} calls of {self.call}, and lives")
        struck = [line for line in self.log.read_text(errors="replace").splitlines() if "(" in line]
        return f"SIGKILL at {self.call} {self.number}: {_call(struck[-1]) if struck else 'unknown'}"


def _call(line: str) -> str:
    """Cut strace's line down to the call."""
    return line.partition(" ")[2].strip()[:QUOTE_CHARS_MAX]
