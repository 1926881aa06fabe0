"""Run one outside program with a deadline, bounded output, and nothing secret on its command line."""

from __future__ import annotations

import os
import select
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from collections.abc import Sequence

OUTPUT_BYTES_MAX: Final = 16 << 10
"""How much of a program's words is kept; the rest is of no use to anybody."""

BURIAL_S: Final = 2.0
"""How long a killed program may take to die before we report it as stuck (it then hangs inside the kernel)."""

SYSTEM_PATHS: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class CommandFailed(DriverError):
    """Raised when an outside program ended with an error; the text ends with its own words."""

    def __init__(self, program: str, status: int, words: str) -> None:
        super().__init__(f"{program} failed with status {status}: {words or 'it said nothing'}")
        self.status = status
        self.words = words


class CommandMissing(DriverError):
    """Raised when the program is not installed."""

    code = Code.OPERATION_UNSUPPORTED


class CommandOverdue(DriverError):
    """Raised when a program did not end before its deadline. It was killed, and is gone unless `stuck`."""

    code = Code.OPERATION_TIMEOUT

    def __init__(self, program: str, limit_s: float, pid: int, *, stuck: bool) -> None:
        end = f"process {pid} cannot be killed: it hangs inside the kernel" if stuck else "it was killed"
        super().__init__(f"{program} did not finish within {limit_s:.1f} s; {end}", hint="is the storage behind it answering?")
        self.stuck = stuck


def is_stuck(error: Exception) -> bool:
    """Say whether a program outlived its kill: then what it was to do may still happen, and nothing may be undone yet."""
    return isinstance(error, CommandOverdue) and error.stuck


@dataclass(frozen=True, slots=True)
class Finished:
    """What a program answered: its exit status and the beginning of its words."""

    status: int
    out: str
    err: str


def run(
    argv: Sequence[str],
    *,
    limit_s: float,
    stdin: bytes = b"",
    keep_fds: Sequence[int] = (),
    statuses: Sequence[int] = (0,),
    out_bytes_max: int = OUTPUT_BYTES_MAX,
) -> Finished:
    """Run a program to its end.

    `stdin` goes over an anonymous memory file, so a passphrase is never on a command line, in an environment or on a
    disk. `keep_fds` stay open in the program (a lock it holds, a key it reads). The program dies with the thread that
    runs it, so a killed worker leaves none behind. More than `out_bytes_max` of its answer is cut off.

    Raises CommandMissing, CommandOverdue, or CommandFailed when the exit status is none of `statuses`.
    """
    environment = _environment()
    program = argv[0]
    found = _which(program, environment["PATH"])
    if not found:
        raise CommandMissing(f"the program '{program}' is not installed", hint=f"install {program}")
    leash = _which("setpriv", environment["PATH"])
    full = [*([leash, "--pdeathsig", "KILL", "--"] if leash else []), found, *argv[1:]]
    out, err, words = (os.memfd_create(f"{program}-{part}") for part in ("out", "err", "in"))
    try:
        os.write(words, stdin)
        os.lseek(words, 0, os.SEEK_SET)
        with subprocess.Popen(full, stdin=words, stdout=out, stderr=err, env=environment, pass_fds=tuple(keep_fds)) as child:
            _await(child, program, limit_s)
        finished = Finished(child.returncode, _beginning(out, out_bytes_max), _beginning(err, OUTPUT_BYTES_MAX))
    except OSError as error:
        raise DriverError(f"cannot run {program}: {error.strerror}", code=Code.SYSTEM_ERROR) from None
    finally:
        for fd in (out, err, words):
            os.close(fd)
    if finished.status not in statuses:
        raise CommandFailed(program, finished.status, finished.err.strip() or finished.out.strip())
    return finished


def key_file(passphrase: bytes) -> int:
    """Put a passphrase into an anonymous memory file for `keep_fds`; the program reads /dev/fd/N. The caller closes it."""
    fd = os.memfd_create("key")
    os.write(fd, passphrase)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _which(program: str, path: str) -> str:
    """Find a program, or nothing. Not by shutil.which: it brings three compressors into memory."""
    for folder in path.split(os.pathsep):
        found = f"{folder}/{program}"
        if folder and os.access(found, os.X_OK):
            return found
    return ""


def _environment() -> dict[str, str]:
    return {"PATH": f"{os.environ.get('PATH', '')}:{SYSTEM_PATHS}".lstrip(":"), "LC_ALL": "C"}


def _await(child: subprocess.Popen[bytes], program: str, limit_s: float) -> None:
    deadline_s = time.monotonic() + limit_s
    if _ended(child, deadline_s):
        return
    with suppress(ProcessLookupError):
        child.kill()
    stuck = not _ended(child, time.monotonic() + BURIAL_S)
    if stuck:
        # Popen's exit would wait for ever; it hangs in the kernel, and we say so instead of hanging with it.
        child.returncode = -9
    raise CommandOverdue(program, limit_s, child.pid, stuck=stuck)


def _ended(child: subprocess.Popen[bytes], deadline_s: float) -> bool:
    """Wait by pidfd: exact, where Popen.wait(timeout) naps up to 50 ms."""
    fd = os.pidfd_open(child.pid)
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        if poll.poll(max(0.0, deadline_s - time.monotonic()) * 1000):
            child.wait()
            return True
        return False
    finally:
        os.close(fd)


def _beginning(fd: int, bytes_max: int) -> str:
    return os.pread(fd, bytes_max, 0).decode(errors="replace")
