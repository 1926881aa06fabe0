"""Any daemon as a target, from a table of four commands: how it is started, when it is ready, how it is asked, how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills import kernel
from tierhost.drills.faults import BadPlan
from tierhost.drills.history import Journaled, Look
from tierhost.drills.sweeping import sweep
from tierhost.drills.targets import NoAnswer
from tierhost.drills.waiting import strike, within
from tierhost.ipc.errors import Code, DriverError, TierhostError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tierhost.drills.plan import Ask, Drill

PROBE_LIMIT_S: Final = 2.0
READY_LIMIT_S: Final = 10.0
STOP_LIMIT_S: Final = 10.0
OUTPUT_CHARS_MAX: Final = 64 << 10
LISTS: Final = ("start", "ready", "call", "stop")


class NotReady(TierhostError):
    """Raised when a daemon does not become ready, or ends before it is."""

    code = Code.OPERATION_FAILED


@dataclass(frozen=True, slots=True)
class Daemon:
    """A daemon in four commands. In each word @FOLDER@ is its private folder, @PORT@ a port on loopback of its own.

    `ready`: a command that succeeds once it serves, or `ready_socket`: "HOST:PORT" or a path that somebody listens on. `call`:
    the client; the method's name and the arguments are put behind it, what it prints is the answer. `stop`: empty for SIGTERM.
    """

    start: tuple[str, ...]
    ready: tuple[str, ...] = ()
    ready_socket: str = ""
    call: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    ready_limit_s: float = READY_LIMIT_S

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Daemon:
        """Check a table. Raises BadPlan."""
        unknown = set(raw) - {*LISTS, "ready_socket", "ready_limit_s"}
        wrong = [key for key in LISTS if not _is_words(raw.get(key, []))]
        if unknown or wrong:
            raise BadPlan(f"options.daemon: {', '.join(sorted(unknown or wrong))}: unknown, or no list of words")
        if not raw.get("start"):
            raise BadPlan("options.daemon has no start", hint="start = [PROGRAM, ARGUMENT, ...] in the foreground")
        if bool(raw.get("ready")) == bool(raw.get("ready_socket")):
            raise BadPlan(
                "options.daemon says not how it is seen to be ready", hint="either ready = [COMMAND, ...] or ready_socket"
            )
        lists = {key: tuple(raw.get(key, ())) for key in LISTS}
        return cls(
            **lists, ready_socket=raw.get("ready_socket", ""), ready_limit_s=float(raw.get("ready_limit_s", READY_LIMIT_S))
        )


class GenericDaemon:
    """One daemon below a folder. It has one role, "host"; what it starts itself is "everything" with it."""

    name = "generic"

    def __init__(self, folder: Path, daemon: Daemon) -> None:
        self.folder = folder
        self.daemon = daemon
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until the probe says that it serves. Raises NotReady."""
        log = self.folder / "daemon.log"
        with log.open("ab") as output:
            argv = self._words(self.daemon.start)
            self._process = subprocess.Popen(
                argv, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        ended = self._process.poll
        if not within(lambda: ended() is not None or self.is_ready(), self.daemon.ready_limit_s) or ended() is not None:
            said = log.read_text(errors="replace")[-1000:].strip()
            raise NotReady(
                f"it is not ready in {self.daemon.ready_limit_s:g} s: {said}", subject=self.daemon.start[0], hint=f"see {log}"
            )

    def is_ready(self) -> bool:
        """Probe it once."""
        if self.daemon.ready_socket:
            return _listens(self._word(self.daemon.ready_socket))
        try:
            return (
                subprocess.run(self._words(self.daemon.ready), capture_output=True, timeout=PROBE_LIMIT_S, check=False).returncode
                == 0
            )
        except subprocess.TimeoutExpired:
            return False

    def stop(self) -> None:
        """End it as a person would; by force if that takes too long."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        if self.daemon.stop:
            subprocess.run(self._words(self.daemon.stop), capture_output=True, timeout=STOP_LIMIT_S, check=False)
        else:
            process.terminate()
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def ask(self, ask: Ask) -> Any:
        """Run the client. What it prints is the answer; an exit code other than 0 is a refusal. Raises NoAnswer, DriverError."""
        argv = [*self._words(self.daemon.call), ask.method.partition(".")[2], *map(self._word, map(str, ask.args))]
        try:
            done = subprocess.run(argv, capture_output=True, timeout=ask.deadline_s, check=False, cwd=self.folder)
        except subprocess.TimeoutExpired:
            raise NoAnswer("no answer by its deadline", code=Code.OPERATION_TIMEOUT, subject=argv[0]) from None
        said, why = (each.decode(errors="replace")[:OUTPUT_CHARS_MAX] for each in (done.stdout, done.stderr))
        if done.returncode != 0:
            raise DriverError(f"exit code {done.returncode}: {why.strip()}", subject=argv[0])
        return said

    def pids(self, role: str) -> list[int]:
        """Return the daemon ("host"), or it and everything in its session ("everything")."""
        process = self._process
        if process is None:
            return []
        alive = [process.pid] if process.poll() is None else []
        return alive if role == "host" else [*alive, *self._started()] if role == "everything" else []

    def _started(self) -> list[int]:
        """Find who lives in the daemon's session beside it."""
        assert self._process is not None
        found = []
        for name in os.listdir("/proc"):
            if name.isdigit() and int(name) != self._process.pid:
                try:
                    if os.getsid(int(name)) == self._process.pid and kernel.process(int(name)) is not None:
                        found.append(int(name))
                except ProcessLookupError:
                    continue
        return found

    def look(self, label: str) -> Look:
        """Look at its processes and files. What it holds is asked for by the drill's own probes."""
        host = self.pids("host")
        return Look(time.monotonic(), label, {}, kernel.world(self.folder, host[0] if host else 0, {}))

    def journal(self) -> list[Journaled]:
        """Return nothing: what a daemon writes down is in its own words."""
        return []

    def close(self) -> None:
        """End it, and whatever it started."""
        for pid in self.pids("everything"):
            # One that was stopped hears no SIGTERM.
            strike(pid, signal.SIGCONT)
        self.stop()
        for pid in self.pids("everything"):
            strike(pid)
        sweep(self.folder)

    def _words(self, words: tuple[str, ...]) -> list[str]:
        return [self._word(word) for word in words]

    def _word(self, word: str) -> str:
        return word.replace("@FOLDER@", str(self.folder)).replace("@PORT@", str(self._port))


def _is_words(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(word, str) for word in value)


def _free_port() -> int:
    """Find a port on loopback that nobody has just now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _listens(place: str) -> bool:
    """Whether somebody accepts connections at "HOST:PORT", or at a path."""
    host, _, port = place.rpartition(":")
    family, address = (socket.AF_UNIX, place) if place.startswith("/") else (socket.AF_INET, (host, int(port)))
    with socket.socket(family) as probe:
        probe.settimeout(PROBE_LIMIT_S)
        return probe.connect_ex(address) == 0


def make(folder: Path, drill: Drill) -> GenericDaemon:
    """Make the daemon that a drill's `options.daemon` describes. Raises BadPlan."""
    if "daemon" not in drill.options:
        raise BadPlan("the drill does not say what the daemon is", subject=drill.name, hint="write a table [options.daemon]")
    return GenericDaemon(folder, Daemon.read(drill.options["daemon"]))


TARGETS: Final[dict[str, Callable[[Path, Drill], GenericDaemon]]] = {"generic": make}
