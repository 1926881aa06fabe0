"""A real iSCSI target for tests: tgtd on a loopback address, with CHAP and without, in a folder of its own."""

from __future__ import annotations

import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

PORT: Final = 3260
USER: Final = "chapuser"
INITIATOR: Final = "iqn.2026-01.test.tierhost:tests"
CHAP: Final = "iqn.2026-01.test.tierhost:chap"
OPEN: Final = "iqn.2026-01.test.tierhost:open"
UNIT_BYTES: Final = 8 << 20
UNITS: Final = {CHAP: (1, 2), OPEN: (1,)}
"""Which units have a disk behind them. tgtd adds a unit 0 of its own, which is a controller."""

LIMIT_S: Final = 10.0
PACKAGES: Final = {"tgtd": "tgt", "tgtadm": "tgt"}


class NoTarget(Exception):
    """Names the Debian package that is missing."""


@dataclass
class Target:
    """One tgtd. It keeps what it was told in memory only, so `start` tells it again."""

    folder: Path
    address: str
    password: bytes
    process: subprocess.Popen[bytes] | None = None

    def image(self, target: str, unit: int) -> Path:
        """The file behind a unit."""
        return self.folder / f"{target.rpartition(':')[2]}-{unit}.img"

    def start(self) -> None:
        """Start tgtd; it dies with us, whatever ends us."""
        leash = ["setpriv", "--pdeathsig", "KILL", "--"]
        with (self.folder / "tgtd.out").open("wb") as log:
            command = [*leash, "tgtd", "-f", "--iscsi", f"portal={self.address}:{PORT}"]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment())
        until(lambda: self._adm("--mode", "system", "--op", "show") == 0, "tgtd answers")
        assert "unable to bind" not in (self.folder / "tgtd.out").read_text()
        self._tell("--mode", "account", "--op", "new", "--user", USER, "--password", self.password.decode())
        for number, (target, units) in enumerate(UNITS.items(), start=1):
            which = ("--tid", str(number))
            self._tell("--mode", "target", "--op", "new", *which, "--targetname", target)
            for unit in units:
                backing = ("--backing-store", str(self.image(target, unit)))
                self._tell("--mode", "logicalunit", "--op", "new", *which, "--lun", str(unit), *backing)
            if target == CHAP:
                self._tell("--mode", "account", "--op", "bind", *which, "--user", USER)
            self._tell("--mode", "target", "--op", "bind", *which, "--initiator-address", "ALL")

    def end(self) -> None:
        """Kill it: it does not listen to anything less."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(LIMIT_S)
            self.process = None

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Have it hang (SIGSTOP) for the length of this block."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def _tell(self, *words: str) -> None:
        assert self._adm(*words) == 0, words

    def _adm(self, *words: str) -> int:
        command = ["tgtadm", "--lld", "iscsi", *words]
        return subprocess.run(command, capture_output=True, timeout=LIMIT_S, check=False, env=self._environment()).returncode

    def _environment(self) -> dict[str, str]:
        path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
        return {"PATH": path, "LC_ALL": "C", "TGT_IPC_SOCKET": str(self.folder / "tgtd.sock")}


@contextmanager
def iscsi_target() -> Iterator[Target]:
    """Have a target. Nothing of it is left afterwards. Raises NoTarget."""
    for program, package in PACKAGES.items():
        if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None:
            raise NoTarget(package)
    folder = Path(tempfile.mkdtemp(prefix="thiscsi", dir="/tmp"))
    target = Target(folder, _free_address(), secrets.token_hex(8).encode())
    try:
        for name, units in UNITS.items():
            for unit in units:
                with target.image(name, unit).open("wb") as image:
                    image.truncate(UNIT_BYTES)
        target.start()
        yield target
    finally:
        target.end()
        shutil.rmtree(folder)


def _free_address() -> str:
    """Pick an address of 127.64.0.0/10 on which nobody uses the port: targets run side by side."""
    chance = random.SystemRandom()
    while True:
        address = f"127.{chance.randrange(64, 128)}.{chance.randrange(256)}.{chance.randrange(1, 255)}"
        with suppress(OSError), socket.socket() as probe:
            probe.bind((address, PORT))
            return address
