"""Drills whose victim is the host itself, while it starts and while it ends: killed at a line, started again, looked at."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tierhost.drills.history import ANSWERED, FAILED
from tierhost.drills.kill_points import pools, secrets, traces
from tierhost.drills.kill_points.host_lighting import HostAtLines
from tierhost.drills.kill_points.judging import Control, Trial
from tierhost.drills.kill_points.operation import Operation, Scene
from tierhost.ipc.errors import OutcomeUnknown, TierhostError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierhost.drills.kill_points.host_lighting import HostLighting
    from tierhost.drills.kill_points.site import Site
    from tierhost.drills.launcher.points import Point

SETTLED_LIMIT_S: Final = 5.0
LOOK_AGAIN_S: Final = 0.01
UP: Final = "the host came up"
ANOTHER_BOOT: Final = "00000000-0000-0000-0000-000000000000"
DRIVERS: Final = ("secret", "storage")


def _down(site: Site) -> None:
    site.down()


def _killed(site: Site) -> None:
    """The host is killed, its workers live on."""
    assert site.process is not None  # a warm site has one
    site.leave()
    os.kill(site.process.pid, signal.SIGKILL)
    site.wait_gone()


def _booted(site: Site) -> None:
    """The host ends, and its record is another boot's: the next one starts what is to start once per boot."""
    site.client.call("storage.storage_pool_destroy", "atboot")
    site.down()
    (site.root.run / "boot").unlink()


def _up(site: Site) -> None:
    """The host stays as it is: it is about to end."""


@dataclass(frozen=True, slots=True)
class HostOperation(Operation):
    """A start or an end of the host; `before` brings the site to where it begins."""

    before: Callable[[Site], None] = _up


def _operation(name: str, before: Callable[[Site], None]) -> HostOperation:
    return HostOperation(name, lambda _: None, lambda _: None, changes=False, before=before)


OPERATIONS: Final = (
    _operation("host.start", _down),
    _operation("host.start:adopting", _killed),
    _operation("host.start:after-boot", _booted),
    _operation("host.stop", _up),
)


class HostTrials:
    """One site with a secret, a pool that was started by a call and one that starts at boot; its host dies again and again."""

    def __init__(self, site: Site, lighting: HostLighting | None = None) -> None:
        self.site = site
        self._lighting = lighting or HostAtLines(site)
        self._scene = Scene(site, "bycall")
        self._boot = Scene(site, "atboot")
        self._controls: dict[str, Control] = {}

    def set_up(self) -> None:
        """Start the host, and make what is to survive."""
        self.site.start()
        for scene in (self._scene, self._boot):
            scene.folder.mkdir(parents=True)
            pools.active_dir(scene)
        self._scene.call("storage.storage_pool_set_autostart", "atboot", True)
        secrets.define_and_set(self._scene)

    def _view(self) -> str:
        return repr([secrets.view(self._scene), pools.view(self._scene), pools.view(self._boot)])

    def count(self, operation: Operation) -> list[Point]:
        """Start or end the host once, and have it tell its points. Raises TierhostError."""
        assert isinstance(operation, HostOperation)
        before = self._view()
        self._do(operation, "")
        points = self._lighting.seen()
        if operation.at == "stop":
            self.site.start()
        self.site.wait_ready()
        self._controls[operation.name] = Control(before, self._view(), UP)
        self._left()
        return points

    def _do(self, operation: HostOperation, point: str) -> None:
        """Start or end the host, with the order to die at a point, or to count."""
        operation.before(self.site)
        self._lighting.light(operation.at, point)
        if operation.at == "stop":
            with suppress(OutcomeUnknown):
                self.site.client.host("shutdown", force=True)
            self.site.leave()
            self.site.wait_gone()
        elif not self.site.launch():
            self.site.wait_gone()

    def run(self, operation: Operation, point: str, *, rested: bool = False) -> Trial:
        """Have the host die at this point; start it again, and see. A host that starts is `rested` anyway."""
        assert isinstance(operation, HostOperation)
        control = self._controls[operation.name]
        trial = Trial(operation.name, point, changes=False, control=control)
        try:
            trial = replace(trial, before=self._view())
            self._do(operation, point)
            proof = self._lighting.fired()
            if proof:
                # It may have said that it is ready with its last breath.
                self.site.leave()
                self.site.wait_gone()
            return self._look(replace(trial, fired=bool(proof), proof=proof))
        except TierhostError as error:
            return replace(trial, trouble=f"{type(error).__name__}: {error}")
        finally:
            self.site.sheet.clear()

    def _look(self, trial: Trial) -> Trial:
        began_s = time.monotonic()
        assert self.site.process is not None  # it was started
        try:
            if self.site.process.poll() is not None:
                self.site.start()
        except TierhostError as error:
            return replace(trial, outcome=FAILED, kind=type(error).__name__, text=str(error))
        lives = self.site.wait_ready()
        degraded = [f"{name}: {subject}: {why}" for name, row in lives.items() for subject, why in row["degraded"].items()]
        degraded += [f"{name} is {row['phase']}" for name, row in lives.items() if row["phase"] != "READY"]
        took_s = time.monotonic() - began_s
        after = self._view()
        return replace(
            trial, outcome=ANSWERED, answer=UP, took_s=took_s, after=after, degraded=tuple(degraded), left=self._left()
        )

    def _left(self) -> tuple[str, ...]:
        """What belongs to no host that lives; what is on its way out is given a moment."""
        end_s = time.monotonic() + SETTLED_LIMIT_S
        left = self._strangers()
        while left and time.monotonic() < end_s:
            self.site.news.hear(LOOK_AGAIN_S)
            left = self._strangers()
        return tuple(left)

    def _strangers(self) -> list[str]:
        """Processes, sockets and temporary files that are neither the host's nor its drivers'."""
        assert self.site.process is not None  # it was started
        lives = {row["pid"]: f"{name}.{row['incarnation']}" for name, row in self.site.lives().items()}
        host = self.site.process.pid
        ours = {host, *lives}
        parents = dict(_processes(self.site.folder))
        ours |= {pid for pid, parent in parents.items() if parent == host}
        zygotes = {pid for pid, parent in parents.items() if parent == host}
        left = [
            f"process {pid}, child of {parent}" for pid, parent in parents.items() if pid not in ours and parent not in zygotes
        ]
        sockets = {path.name for path in self.site.root.worker_sockets()} - set(lives.values())
        left += [f"socket {name}" for name in sorted(sockets)]
        return left + sorted(line for line in traces.look(self.site.folder) if ".new" in line)


def _processes(folder: Path) -> list[tuple[int, int]]:
    """Processes of this site's hosts, each with its parent."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError):
                line = Path(f"/proc/{name}/cmdline").read_bytes()
                if traces.OWN.encode() in line and f"{folder}/".encode() in line:
                    fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
                    if fields[0] != "Z":
                        found.append((int(name), int(fields[1])))
    return found
