"""A network namespace of a test's own: what it does to interfaces nobody else sees, and nothing of it is left."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tierhost.workers.runtime.commands import SYSTEM_PATHS

if TYPE_CHECKING:
    from collections.abc import Iterator

CLONE_NEWNET = 0x40000000
LIMIT_S = 10.0


def need_namespaces() -> None:
    """Skip where we may not make one."""
    if os.geteuid() != 0:
        pytest.skip("needs root: makes network namespaces")


def enter_new() -> None:
    """Move this thread, and whatever it starts from now on, into a new network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWNET)")


@contextmanager
def private_network() -> Iterator[None]:
    """Run the block in a network namespace of its own; it dies with the last process that is in it."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        enter_new()
        yield
    finally:
        if libc.setns(before, CLONE_NEWNET):
            os._exit(1)  # whatever ran next would be in the wrong network
        os.close(before)


def ip(*words: str) -> str:
    """Run iproute2's `ip`: who makes and looks at interfaces besides us. Skips where it is not installed."""
    environment = {"PATH": SYSTEM_PATHS, "LC_ALL": "C"}
    if not any(os.access(Path(folder, "ip"), os.X_OK) for folder in SYSTEM_PATHS.split(":")):
        pytest.skip("iproute2 is not installed")
    argv = ["ip", *words]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"
    return done.stdout


def on_a_machine_of_its_own(module: str, *words: str, limit_s: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run a Python module where network, mounts and so /sys and /run are its own."""
    setting = 'mount -t sysfs sysfs /sys && mount -t tmpfs tmpfs /run && exec "$@"'
    argv = ["unshare", "-n", "-m", "--propagation", "private", "sh", "-c", setting, "sh", sys.executable, "-m", module, *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=limit_s, check=False)
