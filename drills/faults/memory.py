"""Memory: a process is given no more of it, by a cgroup (the kernel then kills it) or by a limit of its own (it is refused)."""

from __future__ import annotations

import os
import resource
import secrets
import select
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.faults import BadPlan, NotFired
from tierhost.drills.faults.bodies import Body, Leashed, body_of, check_known, choice, number
from tierhost.drills.faults.pressing import press

if TYPE_CHECKING:
    from collections.abc import Mapping

MOUNTS: Final = Path("/proc/self/mountinfo")
V1: Final = ("memory.limit_in_bytes", "memory.oom_control")
V2: Final = ("memory.max", "memory.events")
EXTRA_BYTES: Final = 16 << 20
EXTRA_BYTES_MAX: Final = 16 << 30
PATIENCE_S: Final = 10.0
PRESS_AGAIN_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class Fence:
    """A cgroup in which memory is counted. `fresh`: it is made for the victim, which is moved into it from `home`."""

    folder: Path
    limit: Path
    told: Path
    fresh: bool
    home: str = ""

    def kills(self) -> int:
        """How many processes the kernel has killed in it for want of memory."""
        with suppress(OSError):
            for line in self.told.read_text().splitlines():
                name, _, count = line.partition(" ")
                if name == "oom_kill":
                    return int(count)
        return 0


def fence_of(pid: int, token: str, mounts: Path = MOUNTS, proc: Path = Path("/proc")) -> Fence | None:
    """Where the memory of a process can be limited; None: nowhere, here."""
    places = dict(line.split(":", 2)[1:] for line in (proc / str(pid) / "cgroup").read_text().splitlines())
    for line in mounts.read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        root, mounted = before.split()[3:5]
        if kind == "cgroup2" and "" in places:
            own = Path(mounted) / os.path.relpath(places[""], root)
            # In the cgroup that it has: the host ends a life by its cgroup, so it must not leave it.
            if os.access(own / V2[0], os.W_OK):
                return Fence(own, own / V2[0], own / V2[1], fresh=False)
        elif kind == "cgroup" and "memory" in options.split(",") and "memory" in places:
            home = Path(mounted) / os.path.relpath(places["memory"], root)
            if os.access(home / "cgroup.procs", os.W_OK):
                made = home / f"tierhost-drill-{token}"
                return Fence(made, made / V1[0], made / V1[1], fresh=True, home=str(home))
    return None


class Memory(Leashed):
    """No more memory than it has and `extra_bytes`. `how`: "cgroup" (killed by the kernel), "rlimit" (refused), or what there is.

    What it is given to eat are messages that are announced and never end (`press`); whom nobody can call must eat by itself.
    """

    kind = "memory"

    def __init__(self, target: Any, whom: str, options: Mapping[str, Any]) -> None:
        super().__init__(target, whom, options)
        check_known(self.kind, options, {"how", "extra_bytes", "press", "patience_s"})
        self.how = choice(self.kind, options, "how", "any", {"any", "cgroup", "rlimit"})
        self.extra_bytes = int(number(self.kind, options, "extra_bytes", EXTRA_BYTES, 1 << 16, EXTRA_BYTES_MAX))
        self.patience_s = number(self.kind, options, "patience_s", PATIENCE_S, 0.1, 600)
        if not isinstance(options.get("press", True), bool):
            raise BadPlan("press must be true or false", subject=f"fault {self.kind}")

    def prepare(self) -> dict[str, Any]:
        """Find the victim, and a fence for it."""
        body = body_of(self.target, self.whom)
        fence = fence_of(body.pid, secrets.token_hex(4)) if self.how != "rlimit" else None
        if fence is None and self.how == "cgroup":
            reason = "its memory cannot be limited by a cgroup: none is writable"
            raise NotFired(reason, subject=self.whom, hint="run as root, or say how = 'rlimit'")
        soft, hard = resource.prlimit(body.pid, resource.RLIMIT_AS)
        return {
            "pid": body.pid,
            "start": body.start,
            "soft": soft,
            "hard": hard,
            "folder": str(fence.folder) if fence else "",
            "home": fence.home if fence else "",
        }

    def act(self, arguments: Mapping[str, Any]) -> str:
        """Fence it in, and feed it until it is killed, or refused."""
        body = Body(arguments["pid"], arguments["start"])
        if not arguments["folder"]:
            return self._refuse(body, arguments["hard"])
        folder = Path(arguments["folder"])
        names = V1 if arguments["home"] else V2
        fence = Fence(folder, folder / names[0], folder / names[1], fresh=bool(arguments["home"]), home=arguments["home"])
        try:
            before = self._close(fence, body.pid)
        except OSError as error:
            raise NotFired(f"the cgroup {folder} cannot be had: {error}", subject=self.whom) from None
        if not self._feed(body, lambda: fence.kills() > before):
            reason = f"it lives on {self.extra_bytes} more bytes, {self.patience_s} s long"
            raise NotFired(reason, subject=self.whom, hint="say fewer extra_bytes")
        return f"the kernel killed pid {body.pid} for want of memory: oom_kill {fence.kills()} in {folder.name}"

    def _close(self, fence: Fence, pid: int) -> int:
        """Shut the fence; return how many were killed in it before."""
        limit_bytes = self.extra_bytes
        if fence.fresh:
            fence.folder.mkdir()
        else:
            limit_bytes += int((fence.folder / "memory.current").read_text())
        before = fence.kills()
        fence.limit.write_text(str(limit_bytes))
        if fence.fresh:
            # What it had stays where it was counted; what it takes from now on is counted here.
            (fence.folder / "cgroup.procs").write_text(str(pid))
        return before

    def _refuse(self, body: Body, hard: int) -> str:
        limit = _address_space(body.pid) + self.extra_bytes
        with suppress(ProcessLookupError):
            resource.prlimit(body.pid, resource.RLIMIT_AS, (limit, hard))
        # Refused: it has all that it may have, but for less than the smallest piece that it could be fed with.
        if not self._feed(body, lambda: not body.is_alive or limit - _address_space(body.pid) < self.extra_bytes // 2):
            reason = f"it did not come near {limit} bytes of address space in {self.patience_s} s"
            raise NotFired(reason, subject=self.whom, hint="say fewer extra_bytes")
        left = limit - _address_space(body.pid)
        return (
            f"pid {body.pid} has {left} bytes of address space left of {limit}" if body.is_alive else f"pid {body.pid} died of it"
        )

    def _feed(self, body: Body, is_enough: Any) -> bool:
        """Feed it until it is enough, or patience ends. Returns whether it was."""
        end_s = time.monotonic() + self.patience_s
        with ExitStack() as stack:
            fed = stack.enter_context(press(self.target.folder, self.whom)) if self._presses() else None
            pidfd = os.pidfd_open(body.pid)
            stack.callback(os.close, pidfd)
            while not is_enough():
                if time.monotonic() >= end_s:
                    return False
                select.select([pidfd], [], [], PRESS_AGAIN_S)
                if fed is not None:
                    fed()
        return True

    def _presses(self) -> bool:
        return bool(self.options.get("press", True))

    @staticmethod
    def undo(**arguments: Any) -> None:
        """Give it all the memory there is."""
        body = Body(arguments["pid"], arguments["start"])
        folder = Path(arguments["folder"]) if arguments["folder"] else None
        if folder is None:
            if body.is_alive:
                with suppress(ProcessLookupError):
                    resource.prlimit(body.pid, resource.RLIMIT_AS, (arguments["soft"], arguments["hard"]))
        elif arguments["home"]:
            _empty(folder, Path(arguments["home"]))
        else:
            with suppress(FileNotFoundError):
                (folder / V2[0]).write_text("max")


def _empty(folder: Path, home: Path) -> None:
    """Move whoever is left in a cgroup of ours back home, and take it away."""
    end_s = time.monotonic() + PATIENCE_S
    while folder.exists() and time.monotonic() < end_s:
        with suppress(OSError):
            for pid in (folder / "cgroup.procs").read_text().split():
                (home / "cgroup.procs").write_text(pid)
        try:
            folder.rmdir()
        except OSError:
            # Somebody in it is dying: it is empty in a moment.
            select.select([], [], [], PRESS_AGAIN_S)


def _address_space(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


KINDS: Final[dict[str, type[Leashed]]] = {Memory.kind: Memory}
