"""Our own host as a target: started in a private folder, asked by a client per thread, looked at from outside."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import msgpack

from tierhost.drills import journals, kernel
from tierhost.drills.faults import BadPlan
from tierhost.drills.history import Journaled, Look
from tierhost.drills.reboots import Boots
from tierhost.drills.recording import jsonable
from tierhost.drills.searching import search
from tierhost.drills.sweeping import sweep
from tierhost.drills.targets import NoAnswer
from tierhost.drills.targets.holding import Gates, holds
from tierhost.drills.targets.looking import objects_of
from tierhost.host import launch
from tierhost.host.shell import procfs
from tierhost.ipc.client import Client
from tierhost.ipc.errors import DeadlineExceeded, OutcomeUnknown, TierhostError
from tierhost.ipc.paths import Root

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tierhost.drills.gates import Gate
    from tierhost.drills.plan import Ask, Drill, Point

LOOK_LIMIT_S: Final = 10.0
END_LIMIT_S: Final = 10.0
REHEARSAL_LIMIT_S: Final = 3.0
AT_REST: Final = frozenset({"READY", "SKIPPED", "STOPPED", "QUARANTINED"})
"""Phases out of which nothing moves by itself."""

SET_VALUE: Final = "secret.secret_set_value"
"""Values that were given by it are looked for at every look: they must be nowhere."""

HOST: Final = ("tierhost.host",)

DRIVERS: Final = ("secret", "storage", "qemu")

_READS: Final = re.compile(r"(?:\w+_)?(?:list|get|lookup|has|download|status|directory|story|events_since)(?:_\w+)?\Z")


def reads(method: str) -> bool:
    """Whether a method changes nothing, by libvirt's way of naming them; it may then be repeated freely."""
    return _READS.match(method.partition(".")[2]) is not None


class OurHost:
    """One host with its workers below `folder`. `options` are of `tierhost up`, `program` stands before its arguments.

    With `gates`, so many logical points can be waited for at which a worker is held: see drills/targets/holding.py.
    """

    name = "ours"

    def __init__(
        self, folder: Path, *, options: Iterable[str] = (), program: tuple[str, ...] = (), gates: Gates | None = None
    ) -> None:
        self.folder = folder
        self._gates = gates
        self.root = Root.under(folder)
        self.boots = Boots(folder)
        self._options = tuple(options)
        self._program = program
        self._own = threading.local()
        self._boot = 0
        self._values: dict[str, bytes] = {}
        self._clients: list[Client] = []
        self._earlier: list[Journaled] = []
        self._runs: list[launch.Running] = []

    def start(self) -> None:
        """Start a host, or the next one after it was killed; return when its tiers are as far as they get."""
        program = self.boots.wrapped(self._program)
        for run in self._runs:
            run.process.poll()
        self._runs.append(launch.start(self.root, self.folder, options=self._options, program=program))

    # Asking.

    def client(self) -> Client:
        """Return the client of the calling thread. Raises PeerAbsent when nobody is there."""
        boot, found = getattr(self._own, "client", (0, None))
        if found is None or boot != self._boot:
            # Nobody's connection outlives a reboot, and lives are counted anew after it.
            found = Client(self.root, deadline_s=LOOK_LIMIT_S)
            self._own.client = (self._boot, found)
            self._clients.append(found)
        return found

    def ask(self, ask: Ask) -> Any:
        """Make one call. Raises NoAnswer, or what the driver or its absence raises."""
        if ask.method == SET_VALUE and len(ask.args) > 1 and isinstance(ask.args[1], bytes):
            self._values[f"{ask.args[0]} ({len(self._values) + 1})"] = ask.args[1]
        try:
            changes = not reads(ask.method)
            return self.client().call(ask.method, *ask.args, deadline_s=ask.deadline_s, changes=changes)
        except (DeadlineExceeded, OutcomeUnknown) as error:
            raise NoAnswer(error.text, code=error.code, subject=error.subject, hint=error.hint) from error

    # Looking.

    def host_pid(self) -> int:
        """Return the pid of the host that runs on this folder; 0 if none does."""
        try:
            pid = int(self.root.lock.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return 0
        found = kernel.process(pid)
        return pid if found and str(self.folder) in found.argv else 0

    def lives(self) -> dict[str, int]:
        """Return the pid of each driver's recorded life that is alive, host or no host."""
        found = {}
        for path in self.root.lives.iterdir() if self.root.lives.is_dir() else ():
            try:
                life = msgpack.unpackb(path.read_bytes())
                if procfs.start_time(life["pid"]) == life["start_time"] and not procfs.is_dead(life["pid"]):
                    found[str(life["driver"])] = int(life["pid"])
            except (OSError, ValueError, KeyError, TypeError, msgpack.UnpackException):
                continue
        return found

    def pids(self, role: str) -> list[int]:
        """Return who plays a role; "everything" is all but the guests, "guests" all of them."""
        if role == "host":
            pid = self.host_pid()
            return [pid] if pid else []
        if role in DRIVERS:
            pid = self.lives().get(role, 0)
            return [pid] if pid else []
        found = kernel.processes(self.folder)
        plays = kernel.roles(found, self.host_pid(), self.lives())
        if role == "everything":
            # The host first: it would start anew whatever is ended before it.
            return sorted((pid for pid in plays if not plays[pid].startswith("guest ")), key=lambda pid: plays[pid] != "host")
        if role == "guests":
            return [pid for pid in plays if plays[pid].startswith("guest ")]
        return [pid for pid in plays if plays[pid] == role]

    def look(self, label: str) -> Look:
        """Ask every driver, and look at processes, mounts and files."""
        try:
            client = self.client()
            status = jsonable(client.host("status", deadline_s=LOOK_LIMIT_S))
            objects = objects_of(client)
        except TierhostError:
            status, objects = {}, {}
        world = self._world()
        world |= search(self.folder, [row["pid"] for row in world["processes"]], self._values).as_world()
        return Look(time.monotonic(), label, objects, world, status)

    def _world(self) -> dict[str, list[Any]]:
        """Look at the kernel's side, again for a while if a spare was just rehearsing: it is about to clear that away."""
        deadline_s = time.monotonic() + REHEARSAL_LIMIT_S
        place = f"{self.root.rehearsals.relative_to(self.folder)}/"
        while True:
            world = kernel.world(self.folder, self.host_pid(), self.lives())
            rehearsing = any(name.startswith(place) for name in (*world["sockets"], *world["files"]))
            if not rehearsing or time.monotonic() > deadline_s:
                return world

    def unsettled(self) -> list[str]:
        """Say what is still under way: drivers that are in no phase of rest, or no host."""
        try:
            rows = self.client().host("status", deadline_s=1.0)["drivers"]
        except TierhostError as error:
            return [f"the host: {error}"]
        return [what for row in rows if (what := _moving(row))]

    def journal_path(self) -> Path:
        """Where the host writes down what it is told and what it orders."""
        return self.root.journal

    def gate(self, point: Point) -> Gate:
        """Make the gate that holds a worker at a point. Raises BadPlan if the host was not started for that."""
        if self._gates is None:
            raise BadPlan("this host was started without gates", hint="`tierhost drill run` starts one that has them")
        return self._gates.take(point)

    def journal(self) -> list[Journaled]:
        """Return every line since the first start, through reboots."""
        return [*self._earlier, *journals.read_all(self.root.journal)]

    # The end.

    def reboot(self, *, keep_run: bool = False) -> str:
        """Do to the site what a reboot does, without starting it again; return the new boot's id. Raises BadPlan."""
        sweep(self.folder)
        if not keep_run:
            self._earlier = self.journal()
        self._boot += 1
        return self.boots.next(self.root.run, keep_run=keep_run)

    def close(self) -> None:
        """End everything of it, guests too."""
        for client in self._clients:
            client.close()
        self._clients.clear()
        self._own = threading.local()
        sweep(self.folder)
        for run in self._runs:
            run.process.wait(END_LIMIT_S)
        self._runs.clear()
        self.boots.close()
        if self._gates is not None:
            self._gates.close()


def _moving(row: dict[str, Any]) -> str:
    """Say why a driver is not at rest. The host may not have noticed yet what we did to its worker."""
    name, phase, pid = row["name"], row["phase"], row["pid"]
    if phase not in AT_REST:
        return f"{name} is {phase}"
    if pid and (procfs.is_dead(pid) or procfs.is_stopped(pid)):
        return f"{name} is {phase}, but its process is not running"
    return ""


def make(folder: Path, drill: Drill) -> OurHost:
    """Make a host for one drill. Tests and the command line reach it by its name."""
    options = list(drill.options.get("host", ()))
    config = folder / "tierhost.toml"
    config.write_text(_configuration(drill), encoding="utf-8")
    options += ["--config", str(config)]
    build = drill.options.get("build", "")
    # `env` becomes the program it is given: the host is that process, and only it and its workers see the other build. Without
    # PYTHONSAFEPATH, `python -m` would look in the folder we are in before it looks there.
    paths = os.pathsep.join(path for path in (build, os.environ.get("PYTHONPATH", "")) if path)
    program = ("env", f"PYTHONPATH={paths}", "PYTHONSAFEPATH=1", sys.executable) if build else (sys.executable,)
    count = sum(holds(fault) for fault in drill.faults)
    gates = Gates.make(folder / "gates", count) if count else None
    return OurHost(folder, options=options, program=(*program, "-m", *(gates.module if gates else HOST)), gates=gates)


def _configuration(drill: Drill) -> str:
    """What the drill says, and, unless it does: only the drivers that drills know, for each more makes every start longer."""
    said = str(drill.options.get("config", ""))
    return said if re.search(r"^built_in *=", said, re.MULTILINE) else f"built_in = {json.dumps(DRIVERS)}\n{said}"


TARGETS: Final = {"ours": make}
