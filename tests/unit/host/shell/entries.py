"""What forked children run in tests of the zygote: no driver, no socket."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

STDERR = 2


def live(launch: dict[str, Any]) -> None:
    """Write down what a child finds, then do what the order says: exit, wait to be killed, or return."""
    open_files = [Path(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if int(fd) > STDERR]
    # The one that listed the folder is closed again by now.
    state = {"pid": os.getpid(), "sid": os.getsid(0), "files": [str(path.readlink()) for path in open_files if path.exists()]}
    if "write" in launch:
        Path(launch["write"]).write_text(repr(state), encoding="utf-8")
    # Not sys.stderr: in this child it is still what pytest made of it.
    os.write(STDERR, b"said on stderr\n")
    if "exit" in launch:
        os._exit(launch["exit"])
    if launch.get("wait"):
        signal.pause()
