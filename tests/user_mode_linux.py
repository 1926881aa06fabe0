"""A Python module run under another Linux: User-Mode Linux, on this very file system, for what this kernel was built without."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

MODULES = Path("/usr/lib/uml/modules")
"""Where Debian's user-mode-linux has its kernel modules; nothing of kmod is needed to load them."""

LIMIT_S = 90.0
SYS_FINIT_MODULE = 313
EEXIST = 17

INIT = """#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONPATH={root} PYTHONDONTWRITEBYTECODE=1
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
cd {root}
{python} -m tests.user_mode_linux {kernel_modules}
mount -t tmpfs tmpfs /run; export TMPDIR=/run
{python} -m {module}; echo "ended with $?"
echo o > /proc/sysrq-trigger; sleep 5
"""


def run_under_another_linux(module: str, folder: Path, kernel_modules: tuple[str, ...], modules: Path = MODULES) -> str:
    """Run a module as root there; return what it said. Fails if it does, and skips where there is no such Linux."""
    program = shutil.which("linux.uml")
    if program is None or not modules.is_dir():
        pytest.skip("user-mode-linux is not installed")
    init = folder / "init"
    root = Path(__file__).parent.parent
    words = {
        "root": root,
        "python": sys.executable,
        "kernel_modules": " ".join((str(modules), *kernel_modules)),
        "module": module,
    }
    init.write_text(INIT.format(**words))
    init.chmod(0o755)
    argv = [
        program,
        "mem=256M",
        "root=/dev/root",
        "rootfstype=hostfs",
        "rootflags=/",
        "ro",
        f"init={init}",
        "con=null",
        "ssl=null",
    ]
    argv += ["con0=null,fd:1", f"uml_dir={folder}/", "umid=tests", "quiet", "panic=1"]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True) as linux:
        try:
            said, _ = linux.communicate(timeout=LIMIT_S)
        finally:
            # Its helpers outlive it when it is killed.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(linux.pid, signal.SIGKILL)
    assert "ended with 0" in said, said
    return said


def load(names: list[str], modules: Path) -> None:
    """Load kernel modules, with what they depend on."""
    base = next(modules.iterdir())
    lines = (base / "modules.dep").read_text().splitlines()
    needs = {path: needed.split() for path, _, needed in (line.partition(":") for line in lines)}
    paths = {Path(path).name.partition(".")[0]: path for path in needs}
    libc = ctypes.CDLL(None, use_errno=True)
    for name in names:
        for path in (*reversed(needs[paths[name]]), paths[name]):
            with (base / path).open("rb") as file:
                if libc.syscall(SYS_FINIT_MODULE, file.fileno(), b"", 0) and ctypes.get_errno() != EEXIST:
                    raise OSError(ctypes.get_errno(), path)


if __name__ == "__main__":
    load(sys.argv[2:], Path(sys.argv[1]))
