"""One warm host on which one drill follows the other: started by the launcher, kept, and ended whatever happens."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from tierhost.drills.kill_points.asker import asker_for
from tierhost.drills.kill_points.operation import DRIVERS
from tierhost.drills.launcher.arming import Arming, News, Sheet
from tierhost.drills.sweeping import sweep
from tierhost.host.launch import hand_over
from tierhost.ipc.client import Client
from tierhost.ipc.errors import TierhostError
from tierhost.ipc.paths import Root

START_LIMIT_S: Final = 20.0
STOP_LIMIT_S: Final = 20.0
CALL_LIMIT_S: Final = 20.0
LOOK_AGAIN_S: Final = 0.003
SETTLED: Final = frozenset({"READY", "SKIPPED"})
IN_A_NAMESPACE: Final = (
    *("unshare", "--net", "--mount", "--propagation", "private", "sh", "-c"),
    *('mount -t sysfs sysfs /sys && ip link set lo up && exec "$@"', "host"),
)
"""Becomes the host, where the network and what /sys shows of it are its own: it stays one process."""

CONFIG: Final = """spares = {spares}
built_in = {drivers}

[restart]
# The same driver is killed far more often than any intensity allows: every failure counts as the first one.
intensity_period_s = 0

[drivers.storage.options]
luks_iterations = 1000
"""


class HostFailed(TierhostError):
    """Raised when the host of a drill did not start, or did not end."""


@dataclass(slots=True)
class Site:
    """A private folder, a host in it, a client, and the means to have a process of it die at a point."""

    folder: Path
    arming: Arming
    sheet: Sheet
    news: News
    drivers: tuple[str, ...] = DRIVERS
    process: subprocess.Popen[bytes] | None = None
    prefix: tuple[str, ...] = ()
    _client: Client | None = None

    @classmethod
    def make(cls, drivers: tuple[str, ...] = DRIVERS, *, spares: int = 4, netns: bool = False, asker: bool = True) -> Self:
        """Make the folder; the host is not started yet. The name is short: sockets lie below it.

        `netns`: the host will run in a network namespace of its own; `asker`: beside a driver that asks for services.
        """
        folder = Path(tempfile.mkdtemp(prefix="thk", dir="/tmp"))
        arming = Arming(folder / "sheet", folder / "news", drivers)
        arming.write(folder / "arming.json")
        config = CONFIG.format(spares=spares, drivers=json.dumps(drivers))
        (folder / "drill.toml").write_text(config, encoding="utf-8")
        site = cls(folder, arming, Sheet(arming.sheet), News(arming.news), drivers, prefix=IN_A_NAMESPACE if netns else ())
        if asker:
            hand_over(site.root, [asker_for(drivers)])
        return site

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def root(self) -> Root:
        """Where everything of the host is."""
        return Root.under(self.folder)

    @property
    def client(self) -> Client:
        """The one client; made when it is first asked for."""
        if self._client is None:
            self._client = Client(self.root, deadline_s=CALL_LIMIT_S)
        return self._client

    # The host.

    def start(self) -> None:
        """Start the host and return when every tier is as far as it gets. Raises HostFailed."""
        said = self.launch()
        if "ready" not in said:
            raise HostFailed(f"the host said {said!r}: {self.log()}", subject=str(self.folder), hint="see host.log")

    def launch(self) -> str:
        """Start the host; return its word once it is ready, or nothing if it ended before."""
        ready, said = os.pipe()
        argv = [*self.prefix, sys.executable, "-m", "tierhost.drills.launcher", str(self.folder / "arming.json"), "--", "--root"]
        argv += [str(self.folder), "up", "--config", str(self.folder / "drill.toml"), "--ready-fd", str(said)]
        with (self.folder / "host.log").open("ab") as log:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[said], start_new_session=True
            )
        os.close(said)
        with os.fdopen(ready, "rb") as pipe:
            heard, _, _ = select.select([pipe], [], [], START_LIMIT_S)
            return os.read(pipe.fileno(), 4096).decode() if heard else ""

    def log(self) -> str:
        """The end of what the host said."""
        return (self.folder / "host.log").read_text(errors="replace")[-2000:].strip()

    def leave(self) -> None:
        """Let go of the client: the next one is a new one."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def down(self) -> None:
        """End the host in good order; guests are left. Raises HostFailed."""
        self.client.host("shutdown", force=True)
        self.leave()
        self.wait_gone()

    def wait_gone(self) -> int:
        """Wait until the host has ended; return its exit code. Raises HostFailed."""
        assert self.process is not None  # called after a start
        try:
            return self.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            raise HostFailed("the host does not end", subject=str(self.folder)) from None

    # Its drivers.

    def status(self) -> dict[str, Any]:
        """What the host says of itself and its drivers."""
        found: dict[str, Any] = self.client.host("status")
        return found

    def lives(self) -> dict[str, dict[str, Any]]:
        """The drivers' rows of the status, by name."""
        return {row["name"]: row for row in self.status()["drivers"]}

    def wait_ready(self, limit_s: float = CALL_LIMIT_S, *, newer: tuple[str, int] = ("", 0)) -> dict[str, dict[str, Any]]:
        """Wait until every driver is READY, and return their rows; after the limit, as they are.

        `newer` names a driver and a life that is over: until that is seen, nobody is waited for in vain.
        """
        end_s = time.monotonic() + limit_s
        driver, incarnation = newer
        while True:
            lives = self.lives()
            seen = not driver or lives[driver]["incarnation"] > incarnation
            if (seen and all(row["phase"] in SETTLED for row in lives.values())) or time.monotonic() > end_s:
                return lives
            select.select([], [], [], LOOK_AGAIN_S)

    def close(self) -> None:
        """End everything of it and remove the folder. May be called again."""
        self.leave()
        sweep(self.folder)
        if self.process is not None:
            self.process.wait(STOP_LIMIT_S)
        self.sheet.close()
        self.news.close()
        shutil.rmtree(self.folder, ignore_errors=True)
