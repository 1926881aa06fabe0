"""Worker processes: orders forks from the zygote, keeps spares parked, and knows every body by pidfd and identity."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tierhost.host.shell import cgroups, procfs

if TYPE_CHECKING:
    from pathlib import Path

    from tierhost.host.catalog import Manifest
    from tierhost.host.shell.cgroups import Fence
    from tierhost.host.shell.forking import Zygote
    from tierhost.host.shell.lives import Life
    from tierhost.ipc.paths import Root

LOG_BYTES_EMPTY = 0
OLD_LOGS_MAX = 100
"""What dead workers wrote is kept for a person to read, this many of them across restarts of the host."""


@dataclass(slots=True)
class Body:
    """One process: a spare, or the worker that lives `incarnation` of `driver`. `pid` is 0 until the zygote has forked it."""

    identity: str
    warm: str
    cgroup: str
    log: Path
    pid: int = 0
    pidfd: int = -1
    start_time: int = 0
    parked: bool = False
    driver: str = ""
    incarnation: int = 0
    slot: int = -1
    assigned: bool = False
    adopted: bool = False
    exited: bool = False
    how: str = ""

    @property
    def is_ready(self) -> bool:
        """Whether it can be given a role. It may speak before the zygote has told its pid, and its record needs that."""
        return self.parked and self.pid > 0


@dataclass(slots=True)
class Bodies:
    """Every process that is ours, by the three names it is asked for."""

    by_identity: dict[bytes, Body] = field(default_factory=dict)
    by_pidfd: dict[int, Body] = field(default_factory=dict)
    by_driver: dict[str, Body] = field(default_factory=dict)

    def add(self, body: Body) -> None:
        """Enter a process, or what became of it, under every name that it has by now."""
        self.by_identity[body.identity.encode()] = body
        if body.pidfd >= 0:
            self.by_pidfd[body.pidfd] = body
        if body.driver:
            self.by_driver[body.driver] = body

    def life(self, driver: str, incarnation: int) -> Body | None:
        """The body that lives exactly this life, dead or alive, until it is dropped."""
        body = self.by_driver.get(driver)
        return body if body is not None and body.incarnation == incarnation else None

    def drop(self, body: Body) -> None:
        """Forget a buried process."""
        self.by_identity.pop(body.identity.encode(), None)
        self.by_pidfd.pop(body.pidfd, None)
        if self.by_driver.get(body.driver) is body:
            del self.by_driver[body.driver]

    def spares(self, warm: str) -> list[Body]:
        """Processes without a role that have imported this driver (or, with an empty name, none)."""
        return [body for body in self.by_identity.values() if not body.driver and body.warm == warm and not body.exited]


class Processes:
    """Gives drivers a process and takes it away again. Called by the loop only; decides nothing about drivers."""

    def __init__(self, root: Root, fence: Fence, zygote: Zygote, epoch: str) -> None:
        self.bodies = Bodies()
        self.zygote = zygote
        self._root = root
        self._fence = fence
        self._epoch = epoch
        self._count = 0
        self._logs = root.run / "logs"
        self._logs.mkdir(mode=0o700, exist_ok=True)

    def order(self, manifest: Manifest | None = None) -> Body | None:
        """Order a new spare, warm for a driver if one is given. None: the zygote takes no orders, try again later."""
        self._count += 1
        serial = f"{self._epoch}.{self._count}"
        body = Body(
            identity=serial,
            warm=manifest.name if manifest else "",
            cgroup=self._fence.place(serial),
            log=self._logs / f"worker-{serial}.log",
        )
        launch = {
            "run": str(self._root.run),
            "state": str(self._root.state),
            "identity": serial.encode(),
            "warm": manifest.wire() if manifest else None,
            "blob": manifest.blob if manifest else b"",
            "host_pid": os.getpid(),
            "log": str(body.log),
        }
        words = {"serial": serial, "cgroup": body.cgroup, "log": str(body.log), "launch": launch}
        if not self.zygote.order(words):
            return None
        self.bodies.add(body)
        return body

    def adopt(self, life: Life) -> Body | None:
        """Take over the process of a former host's record, if it is that very process and alive."""
        try:
            pidfd = os.pidfd_open(life.pid)
        except ProcessLookupError:
            return None
        if procfs.start_time(life.pid) != life.start_time or procfs.is_dead(life.pid):
            os.close(pidfd)
            return None
        body = Body(
            identity=life.identity,
            warm=life.driver,
            cgroup=life.cgroup,
            log=self._logs / life.log,
            pid=life.pid,
            pidfd=pidfd,
            start_time=life.start_time,
            parked=True,
            driver=life.driver,
            incarnation=life.incarnation,
            slot=life.slot,
            assigned=True,
            adopted=True,
        )
        self.bodies.add(body)
        return body

    def hear(self) -> list[Body]:
        """Read the zygote's words; return the bodies that were just born. Exit codes are noted on their bodies."""
        born = []
        for words, pidfd in self.zygote.hear():
            body = self.bodies.by_identity.get(words.get("born", words.get("gone", "")).encode())
            if body is None:
                if pidfd >= 0:
                    os.close(pidfd)
                continue
            if "gone" in words:
                body.how = describe_exit(words["status"])
                continue
            body.pid, body.pidfd = words["pid"], pidfd
            body.start_time = procfs.start_time(body.pid) or 0
            self.bodies.by_pidfd[pidfd] = body
            born.append(body)
        return born

    def kill(self, body: Body) -> None:
        """End everything of this body at once. Safe to repeat."""
        if body.pidfd >= 0 and not body.exited:
            with suppress(ProcessLookupError):
                # Dead and reaped already; its pidfd says so too, a turn later.
                signal.pidfd_send_signal(body.pidfd, signal.SIGKILL)
        cgroups.kill_all(body.cgroup, body.pid)

    def give_up(self, body: Body, reason: str) -> None:
        """End a spare that does not come to park. Nobody is given it any more; one that is not born yet is left to come."""
        if body.pid:
            self.kill(body)
            body.how = f"killed by the host: {reason}"
            body.exited = True

    def is_buried(self, body: Body) -> bool:
        """Whether nothing is left of a dead body; what is left is killed, so ask again soon."""
        if cgroups.members(body.cgroup, body.pid):
            cgroups.kill_all(body.cgroup, body.pid)
            return False
        return True

    def forget(self, body: Body) -> None:
        """Drop a buried body: its pidfd, its cgroup, its log if it never said anything, its rehearsal if that was cut short."""
        self.bodies.drop(body)
        cgroups.remove(body.cgroup)
        if body.pidfd >= 0:
            os.close(body.pidfd)
        _remove_if_empty(body.log)
        # What a spare left that died over its rehearsal.
        shutil.rmtree(self._root.rehearsal(body.identity), ignore_errors=True)

    def sweep(self) -> None:
        """End and remove what former hosts left behind: cgroups and who is in them, empty logs, and all but the latest logs."""
        ours = self.bodies.by_identity.values()
        left = set(self._fence.folders()) - {body.cgroup for body in ours}
        cgroups.end(left)
        for folder in left:
            cgroups.remove(folder)
        logs = sorted(set(self._logs.iterdir()) - {body.log for body in ours}, key=lambda log: log.stat().st_mtime_ns)
        for log in logs:
            _remove_if_empty(log)
        for log in logs[:-OLD_LOGS_MAX]:
            log.unlink(missing_ok=True)


def _remove_if_empty(log: Path) -> None:
    with suppress(FileNotFoundError):
        if log.stat().st_size == LOG_BYTES_EMPTY:
            log.unlink()


def describe_exit(status: int | None) -> str:
    """Say for people how a process ended (`multiprocess`'s exit codes: minus the signal)."""
    if status is None:
        return "died"
    if status < 0:
        try:
            return f"killed by {signal.Signals(-status).name}"
        except ValueError:
            return f"killed by signal {-status}"
    return f"exited with {status}"
