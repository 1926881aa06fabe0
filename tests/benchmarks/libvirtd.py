"""A libvirtd of Debian's all to ourselves: own mount and network namespace, own state, configuration and socket."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from tests.benchmarks import definitions
from tests.benchmarks.processes import Body

if TYPE_CHECKING:
    from tests.benchmarks.definitions import Set

LIBVIRTD = "/usr/sbin/libvirtd"
SYSTEM_PYTHON = "/usr/bin/python3"
CLIENT = Path(__file__).parent / "peers" / "libvirt_client.py"
HIDDEN = ("/run/libvirt", "/var/lib/libvirt", "/var/cache/libvirt", "/var/log/libvirt", "/etc/libvirt", "/sys/fs/cgroup")
"""Places of the machine's own libvirt (and its cgroups), each covered by an empty file system of ours."""

NAMESPACE = """set -e
mount --make-rprivate /
for place in {places}; do mkdir -p $place; mount -t tmpfs -o mode=755 bench $place; done
ip link set lo up
cp {folder}/qemu.conf /etc/libvirt/qemu.conf
echo made
exec cat
"""
"""Makes the place in which libvirtd lives and dies, and keeps it until our end of the pipe is closed."""

DAEMON_CONF = """unix_sock_dir = "{folder}"
unix_sock_group = "root"
unix_sock_ro_perms = "0700"
unix_sock_rw_perms = "0700"
auth_unix_ro = "none"
auth_unix_rw = "none"
log_outputs = "3:file:{folder}/libvirtd.log"
"""

QEMU_CONF = """user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
cgroup_controllers = [ ]
namespaces = [ ]
stdio_handler = "file"
"""


def why_not() -> str:
    """Say why libvirtd cannot be measured here; empty when it can."""
    if os.geteuid() != 0:
        return "only root may make the namespaces in which libvirtd is kept apart"
    for program in (LIBVIRTD, "unshare", "nsenter", "ip"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    found = subprocess.run([SYSTEM_PYTHON, "-c", "import libvirt"], capture_output=True, check=False)
    return "" if found.returncode == 0 else "python3-libvirt is not installed"


class PrivateLibvirtd:
    """Made once per benchmark; `start` and `kill` as often as needed. What lives in it goes with the benchmark's processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folder.mkdir(parents=True)
        (folder / "libvirtd.conf").write_text(DAEMON_CONF.format(folder=folder))
        (folder / "qemu.conf").write_text(QEMU_CONF)
        self._namespace = self._make_namespace()
        self._daemon: subprocess.Popen[str] | None = None
        client = [SYSTEM_PYTHON, str(CLIENT), str(folder / "libvirt-sock")]
        self._client = subprocess.Popen(client, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Let go. The processes (guests, too) are ended with everything else the benchmark started."""
        for process in (self._client, self._namespace):
            for pipe in (process.stdin, process.stdout):
                _piped(pipe).close()

    def _make_namespace(self) -> subprocess.Popen[str]:
        script = NAMESPACE.format(places=" ".join(HIDDEN), folder=self._folder)
        argv = ["unshare", "--mount", "--net", "sh", "-c", script]
        made = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if _piped(made.stdout).readline() != "made\n":
            message = "the namespace for libvirtd could not be made"
            raise RuntimeError(message)
        return made

    def prepare(self) -> subprocess.Popen[str]:
        """Bring a process to the very point before libvirtd's exec, so that getting there is not measured."""
        inside = f"echo; read _; exec {LIBVIRTD} --config {self._folder}/libvirtd.conf --pid-file {self._folder}/libvirtd.pid"
        argv = [
            "nsenter",
            f"--mount=/proc/{self._namespace.pid}/ns/mnt",
            f"--net=/proc/{self._namespace.pid}/ns/net",
            "sh",
            "-c",
            inside,
        ]
        prepared = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        _piped(prepared.stdout).readline()
        return prepared

    def start(self) -> float:
        """Start libvirtd; return when that was."""
        self._daemon = self.prepare()
        return self._go(self._daemon)

    @staticmethod
    def _go(prepared: subprocess.Popen[str]) -> float:
        stdin = _piped(prepared.stdin)
        start_s = time.monotonic()
        stdin.write("\n")
        stdin.flush()
        return start_s

    def kill(self) -> None:
        """SIGKILL libvirtd. Its guests live on."""
        assert self._daemon is not None
        body = Body.of(self._daemon.pid)
        body.kill()
        body.close()
        self._daemon.wait()
        for pipe in (self._daemon.stdin, self._daemon.stdout):
            _piped(pipe).close()
        self.ask("close")

    def restart_until_listed(self, wanted: Set) -> dict[str, float]:
        """Start libvirtd with a client waiting for it. Returns seconds to first list, all listed, all re-attached."""
        self._daemon = self.prepare()
        self._order("listed", secrets=wanted.secrets, pools=wanted.pools, guests=wanted.guests)
        start_s = self._go(self._daemon)
        return {name.removesuffix("_s"): at_s - start_s for name, at_s in self._answer().items()}

    def fill(self, wanted: Set, below: Path) -> None:
        """Define and start everything that the benchmark is about."""
        self.ask("open")
        self.ask(
            "define",
            secrets=[(xml, value.decode()) for xml, value in definitions.secrets(wanted.secrets)],
            pools=[xml for _, xml in definitions.pools(wanted.pools, below)],
            guests=[xml for _, xml in definitions.guests(wanted.guests)],
        )

    def ask(self, method: str, **arguments: Any) -> Any:
        """Have the client do something, and return its answer."""
        self._order(method, **arguments)
        return self._answer()

    def _order(self, method: str, **arguments: Any) -> None:
        stdin = _piped(self._client.stdin)
        stdin.write(json.dumps([method, arguments]) + "\n")
        stdin.flush()

    def _answer(self) -> Any:
        line = _piped(self._client.stdout).readline()
        if not line:
            message = f"libvirt's client failed; see above, and {self._folder}/libvirtd.log"
            raise RuntimeError(message)
        return json.loads(line)


def _piped(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe
