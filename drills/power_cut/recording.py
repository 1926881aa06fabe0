"""Run a program under strace, and return what it did to one folder. The program knows nothing of it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tierhost.drills.power_cut.calls import STRING_BYTES_MAX, TRACED, Unmodelled, parse
from tierhost.drills.power_cut.disk import Disk
from tierhost.drills.power_cut.following import follow
from tierhost.drills.power_cut.operations import Made, Named, Written
from tierhost.ipc.errors import Code, TierhostError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierhost.drills.power_cut.operations import Operation

RECORD_LIMIT_S: Final = 120.0


class NotRecorded(TierhostError):
    """Raised when a program could not be recorded, or failed while it was."""

    code = Code.OPERATION_FAILED


@dataclass(frozen=True, slots=True)
class Recording:
    """What was in the folder before, and what happened to it, in order."""

    begin: Disk
    operations: list[Operation]


def record(program: Sequence[str], folder: Path) -> Recording:
    """Run a program to its end; return what it and its children did to `folder`. Raises NotRecorded, Unmodelled."""
    if shutil.which("strace") is None:
        raise NotRecorded("strace is not installed", subject="power cut", hint="install the package strace")
    folder = folder.resolve()
    begin = read_disk(folder)
    with tempfile.TemporaryDirectory(prefix="tierhost-trace-") as place:
        trace = Path(place, "trace")
        _run([*_strace(trace), *program])
        with trace.open(encoding="ascii", errors="surrogateescape") as lines:
            return Recording(begin, follow(parse(lines), str(folder), begin))


def _strace(trace: Path) -> list[str]:
    calls = ",".join(f"?{name}" for name in TRACED)  # "?": another architecture may lack the older ones
    options = ["-f", "--seccomp-bpf", "-xx", f"--string-limit={STRING_BYTES_MAX}", "--signal=none"]
    return ["strace", *options, f"--trace={calls}", f"--output={trace}", "--"]


def _run(argv: list[str]) -> None:
    # a session of its own: strace and whom it traces are ended together
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            _, complaint = process.communicate(timeout=RECORD_LIMIT_S)
        except subprocess.TimeoutExpired:
            raise NotRecorded(f"not done within {RECORD_LIMIT_S:.0f} s", subject=" ".join(argv[-3:])) from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode != 0:
        reason = f"ended with {process.returncode}: {complaint.strip()[-2000:]}"
        raise NotRecorded(reason, subject=" ".join(argv[-3:]), hint="may this user trace processes (kernel.yama.ptrace_scope)?")


def read_disk(folder: Path) -> Disk:
    """Return a folder as a disk that holds it durably."""
    disk = Disk()
    numbers = {folder: 0}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            raise Unmodelled("neither a file nor a folder", subject=str(path))
        number = numbers[path] = len(numbers)
        disk.make(Made(number, path.is_dir(), path.stat().st_mode & 0o7777))
        disk.apply(Named(numbers[path.parent], path.name, number))
        if path.is_file():
            disk.apply(Written(number, 0, path.read_bytes()))
    return disk


def lay_out(disk: Disk, folder: Path) -> None:
    """Make a real folder of a disk: what somebody finds who starts the machine after the cut."""
    folder.mkdir(mode=0o700)
    for entry in disk.walk():
        path = folder / entry.path
        if entry.folder:
            path.mkdir(mode=entry.mode)
            continue
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, entry.mode)
        try:
            os.write(descriptor, entry.content)
        finally:
            os.close(descriptor)
