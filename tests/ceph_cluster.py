"""A real Ceph cluster with CephX for tests: monitor, OSD and manager on a loopback address, in a folder of its own."""

from __future__ import annotations

import base64
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.ceph_texts import CONFIGURATION

if TYPE_CHECKING:
    from collections.abc import Iterator

POOL: Final = "rbd"
USER: Final = "libvirt"
PORTS: Final = (3300, 6789)
"""Ceph's own. With any other a client tries both protocols, and a wrong key ends in a long hunt instead of a refusal."""

LIMIT_S: Final = 30.0
PACKAGES: Final = {"ceph-mon": "ceph-mon", "ceph-osd": "ceph-osd", "ceph-mgr": "ceph-mgr", "ceph-authtool": "ceph-common"}
PYTHON: Final = "/usr/bin/python3"
"""Debian's: its librados binding is the tests' own way to the cluster."""

CAPS: Final[dict[str, dict[str, str]]] = {
    "client.admin": {"mon": "allow *", "osd": "allow *", "mgr": "allow *"},
    "osd.0": {"mon": "allow profile osd", "osd": "allow *", "mgr": "allow profile osd"},
    "mgr.x": {"mon": "allow profile mgr", "osd": "allow *"},
    f"client.{USER}": {"mon": "profile rbd", "osd": f"profile rbd pool={POOL}", "mgr": f"profile rbd pool={POOL}"},
    "client.none": {"mon": "allow r"},
}
"""`none` may log in, and touch no pool."""


class NotInstalled(Exception):
    """Names the Debian package that is missing."""


@dataclass
class Cluster:
    """One cluster. Keys are as the secret driver keeps them: raw bytes."""

    folder: Path
    address: str
    keys: dict[str, bytes]
    daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _administrator: subprocess.Popen[str] | None = None

    @property
    def configuration(self) -> Path:
        """What its daemons, and an administrator, are told."""
        return self.folder / "ceph.conf"

    def images(self) -> list[str]:
        """List the images by Ceph's own binding: an independent witness."""
        found: list[str] = self._admin("images", POOL)
        return found

    def put(self, name: str, contents: bytes, size: int) -> None:
        """Make an image that begins with these bytes."""
        self._admin("put", POOL, name, size, base64.b64encode(contents).decode())

    def clear(self) -> None:
        """Remove every image."""
        self._admin("clear", POOL)

    def signal(self, daemon: str, number: signal.Signals) -> None:
        """Send a daemon a signal."""
        self.daemons[daemon].send_signal(number)

    @contextmanager
    def stopped(self, *daemons: str) -> Iterator[None]:
        """Have daemons hang (SIGSTOP) for the length of this block."""
        for daemon in daemons:
            self.signal(daemon, signal.SIGSTOP)
        try:
            yield
        finally:
            for daemon in daemons:
                self.signal(daemon, signal.SIGCONT)

    def begin(self) -> None:
        """Make the stores, start the daemons, and wait until every part of the pool answers."""
        osd_uuid = str(uuid.uuid4())
        conf = ["-c", str(self.configuration)]
        making = self._spawn("osd-mkfs", ["ceph-osd", *conf, "-i", "0", "--mkfs", "--osd-uuid", osd_uuid])
        _run("ceph-mon", *conf, "--mkfs", "-i", "a", "--keyring", str(self.folder / "first.keyring"))
        self.start("mon")
        self._admin("enter_osd", osd_uuid)
        if making.wait(LIMIT_S):
            raise AssertionError(self._words("osd-mkfs"))
        self.start("osd")
        self.start("mgr")
        self.await_osd()
        self._admin("await_figures")

    def start(self, daemon: str) -> None:
        """Start one daemon; it dies with us, whatever ends us."""
        number = {"mon": "a", "osd": "0", "mgr": "x"}[daemon]
        command = [f"ceph-{daemon}", "-c", str(self.configuration), "-i", number, "-f"]
        self.daemons[daemon] = self._spawn(daemon, command)

    def await_osd(self) -> None:
        """Wait until the OSD that runs now serves the pool."""
        self._admin("await_osd", self.daemons["osd"].pid, POOL)

    def end(self, *daemons: str) -> None:
        """Kill daemons; if none is named all, and the administrator with them."""
        if not daemons and self._administrator is not None:
            self._administrator.kill()
            self._administrator.communicate()
        for daemon in daemons or tuple(self.daemons):
            process = self.daemons.pop(daemon)
            process.kill()
            process.wait(LIMIT_S)

    def _spawn(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        with (self.folder / "log" / f"{name}.out").open("wb") as log:
            leash = ["setpriv", "--pdeathsig", "KILL", "--"]
            return subprocess.Popen([*leash, *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_environment())

    def _admin(self, step: str, *words: object) -> Any:
        if self._administrator is None:
            command = [PYTHON, str(Path(__file__).with_name("ceph_admin.py")), str(self.configuration)]
            pipe = subprocess.PIPE
            self._administrator = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=_environment())
        assert self._administrator.stdin is not None
        assert self._administrator.stdout is not None
        self._administrator.stdin.write(json.dumps([step, *words]) + "\n")
        self._administrator.stdin.flush()
        answer = json.loads(self._administrator.stdout.readline() or '{"error": "it died"}')
        assert "error" not in answer, f"{step}: {answer['error']}{self._words('mon')}{self._words('osd')}"
        return answer["value"]

    def _words(self, name: str) -> str:
        with suppress(OSError):
            return (self.folder / "log" / f"{name}.out").read_text()[-2000:]
        return ""


@contextmanager
def ceph_cluster() -> Iterator[Cluster]:
    """Have a cluster. Nothing of it is left afterwards, also when the tests are killed. Raises NotInstalled."""
    for program, package in PACKAGES.items():
        if shutil.which(program) is None:
            raise NotInstalled(package)
    folder = Path(tempfile.mkdtemp(prefix="thceph", dir="/tmp"))
    # Removes the folder when its end of the pipe closes, which our death does, too; by then the daemons are dead.
    janitor = subprocess.Popen(
        ["sh", "-c", 'trap "" INT TERM HUP; read -r _; sleep 0.2; rm -rf -- "$0"', folder], stdin=subprocess.PIPE
    )
    try:
        cluster = _laid_out(folder)
        try:
            cluster.begin()
            yield cluster
        finally:
            for process in cluster.daemons.values():
                process.send_signal(signal.SIGCONT)
            cluster.end()
    finally:
        assert janitor.stdin is not None
        janitor.stdin.close()
        janitor.wait(LIMIT_S)


def _laid_out(folder: Path) -> Cluster:
    for name in ("mon", "osd", "mgr", "modules", "run", "log"):
        (folder / name).mkdir()
    (folder / "modules" / "mgr_module.py").symlink_to("/usr/share/ceph/mgr/mgr_module.py")
    address = _free_address()
    mons = f"[v2:{address}:{PORTS[0]},v1:{address}:{PORTS[1]}]"
    text = CONFIGURATION.format(fsid=uuid.uuid4(), mons=mons, folder=folder, address=address)
    (folder / "ceph.conf").write_text(text)
    first = folder / "first.keyring"
    _run("ceph-authtool", "--create-keyring", str(first), "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
    for entity, caps in CAPS.items():
        words = [word for cap in caps.items() for word in ("--cap", *cap)]
        _run("ceph-authtool", str(first), "--gen-key", "-n", entity, *words)
    keys = _keys(first)
    for entity, key in keys.items():
        (folder / f"{entity}.keyring").write_text(f"[{entity}]\nkey = {key}\n")
    return Cluster(folder, address, {entity: base64.b64decode(key) for entity, key in keys.items()})


def _keys(keyring: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    entity = ""
    for line in keyring.read_text().splitlines():
        if line.startswith("["):
            entity = line.strip("[] \t")
        elif line.strip().startswith("key"):
            found[entity] = line.partition("=")[2].strip()
    return found


def _free_address() -> str:
    """Pick an address of 127.64.0.0/10 on which nobody uses Ceph's ports: clusters run side by side."""
    chance = random.SystemRandom()
    while True:
        address = f"127.{chance.randrange(64, 128)}.{chance.randrange(256)}.{chance.randrange(1, 255)}"
        with suppress(OSError):
            for port in PORTS:
                with socket.socket() as probe:
                    probe.bind((address, port))
            return address


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False, env=_environment())
    assert done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}"


def _environment() -> dict[str, str]:
    """Nothing that a person keeps for clusters of his own (CEPH_CONF, CEPH_ARGS)."""
    return {"PATH": os.environ["PATH"], "LC_ALL": "C"}
