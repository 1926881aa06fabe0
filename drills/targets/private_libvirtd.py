"""A libvirtd of Debian's all to ourselves: in a place apart, with its own state, configuration and socket."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Self

from tierhost.drills import leaks
from tierhost.drills.targets.apart import Apart
from tierhost.drills.targets.orders import Orders

if TYPE_CHECKING:
    from collections.abc import Sequence

LIBVIRTD: Final = "/usr/sbin/libvirtd"
SYSTEM_PYTHON: Final = "/usr/bin/python3"
CLIENT: Final = Path(__file__).resolve().parents[1] / "libvirt_client.py"
PACKAGES: Final = {
    LIBVIRTD: "libvirt-daemon-system",
    "qemu-system-x86_64": "qemu-system-x86",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "ip": "iproute2",
}
COVERED: Final = (
    *("/run/libvirt", "/var/lib/libvirt", "/var/cache/libvirt", "/var/log/libvirt", "/etc/libvirt"),
    "/sys/fs/cgroup",
)
"""Places of the machine's own libvirt (and its cgroups), each covered by an empty file system of ours."""

ANSWER_LIMIT_S: Final = 90.0
GONE_LIMIT_S: Final = 10.0

DAEMON_CONF: Final = """unix_sock_dir = "{folder}"
unix_sock_group = "root"
unix_sock_ro_perms = "0700"
unix_sock_rw_perms = "0700"
auth_unix_ro = "none"
auth_unix_rw = "none"
log_outputs = "3:file:{folder}/libvirtd.log"
"""

QEMU_CONF: Final = """user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
cgroup_controllers = [ ]
namespaces = [ ]
stdio_handler = "file"
"""


def why_not() -> str:
    """Say why libvirtd cannot run here; empty when it can."""
    if os.geteuid() != 0:
        return "only root may make the namespaces in which libvirtd is kept apart"
    for program, package in PACKAGES.items():
        if shutil.which(program) is None:
            return f"{program} is not installed: install the package {package}"
    found = subprocess.run([SYSTEM_PYTHON, "-c", "import libvirt"], capture_output=True, check=False)
    return "" if found.returncode == 0 else "libvirt's binding is not installed: install the package python3-libvirt"


class PrivateLibvirtd:
    """Made once; `start` and `kill` as often as needed. `close` ends it, its guests and everything else that it started."""

    def __init__(self, folder: Path, *, covered: Sequence[str] = COVERED) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        (folder / "libvirtd.conf").write_text(DAEMON_CONF.format(folder=folder))
        self.place = Apart(covered)
        self.place.path("/etc/libvirt/qemu.conf").write_text(QEMU_CONF)
        self._daemon: subprocess.Popen[str] | None = None
        self.client = Orders([SYSTEM_PYTHON, str(CLIENT), str(folder / "libvirt-sock")])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The daemon's process, by our numbers; 0 when it does not run."""
        return 0 if self._daemon is None else self.place.entered(self._daemon.pid)

    def prepare(self) -> subprocess.Popen[str]:
        """Bring a process to the very point before libvirtd's exec, so that getting there is not measured."""
        inside = f"echo; read _; exec {LIBVIRTD} --config {self.folder}/libvirtd.conf --pid-file {self.folder}/libvirtd.pid"
        argv = self.place.argv("sh", "-c", inside)
        prepared = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
        _piped(prepared.stdout).readline()
        return prepared

    def go(self, prepared: subprocess.Popen[str]) -> float:
        """Have the prepared process become libvirtd; return when that was."""
        self._forget_daemon()
        self._daemon = prepared
        stdin = _piped(prepared.stdin)
        start_s = time.monotonic()
        stdin.write("\n")
        stdin.flush()
        return start_s

    def start(self) -> float:
        """Start libvirtd; return when that was."""
        return self.go(self.prepare())

    def kill(self) -> None:
        """SIGKILL libvirtd, if it still runs. Its guests live on."""
        pid = self.pid
        if pid:
            pidfd = os.pidfd_open(pid)
            try:
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                leaks.wait_readable(pidfd, GONE_LIMIT_S)
            finally:
                os.close(pidfd)
        self._forget_daemon()
        self.ask("close")

    def _forget_daemon(self) -> None:
        daemon, self._daemon = self._daemon, None
        if daemon is not None:
            daemon.wait(GONE_LIMIT_S)
            for pipe in (daemon.stdin, daemon.stdout):
                _piped(pipe).close()

    def ask(self, order: str, /, **arguments: Any) -> Any:
        """Have the client do something, and return its answer."""
        return self.client.ask(order, deadline_s=ANSWER_LIMIT_S, **arguments)

    def close(self) -> None:
        """End everything. May be called again."""
        self.client.close()
        self.place.close()
        self._forget_daemon()


def _piped(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe
