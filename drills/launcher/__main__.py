"""`python -m tierhost.drills.launcher ARMING.json -- --root DIR up ...`: a host whose processes can be made to die at a line."""

from __future__ import annotations

import ctypes
import signal
import sys
from pathlib import Path

from tierhost.drills.launcher import gates
from tierhost.drills.launcher.arming import Arming
from tierhost.drills.launcher.host_watch import STOP, HostWatch
from tierhost.drills.launcher.installing import install
from tierhost.host.cli import main
from tierhost.ipc.errors import TierhostError

EXIT_USAGE = 2
PR_SET_PDEATHSIG = 1


def _end_with_parent() -> None:
    """A host that was started for a drill ends in good order when the drill is no more, however that ended."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def run(argv: list[str]) -> int:
    """Install what the arming file asks for, then be the host."""
    if argv[1:2] != ["--"]:
        sys.stderr.write("error: expected ARMING.json -- ARGUMENTS OF tierhost\n")
        return EXIT_USAGE
    try:
        arming = Arming.read(Path(argv[0]))
    except TierhostError as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_USAGE
    if arming.tied:
        _end_with_parent()
    install(arming)
    gates.install(arming)
    host = HostWatch(arming)
    host.install()
    code = main(argv[2:])
    host.over(STOP)
    return code


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
