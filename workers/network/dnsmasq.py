"""One dnsmasq per network: a process that is nobody's child, found again by pid, start time, program and configuration file."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.network.dnsmasq_config import Places, config
from tierhost.workers.runtime import detached
from tierhost.workers.runtime.commands import SYSTEM_PATHS
from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.runtime.files import make_folder, write_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.workers.network.definition import NetworkDefinition
    from tierhost.workers.runtime.detached import Detached

PROGRAM: Final = "dnsmasq"
POLITE_S: Final = 1.0
KILL_LIMIT_S: Final = 5.0
LOOK_S: Final = 0.002
LOG_BYTES_MAX: Final = 1 << 20
WORDS_CHARS_MAX: Final = 400


class Dnsmasqs:
    """The dnsmasq processes of one run directory. Knows no records; thread-safe, for it keeps nothing."""

    def __init__(self, run_dir: Path, state_dir: Path, user: str) -> None:
        self._run_dir = run_dir.resolve()
        self._leases = state_dir.resolve() / "leases"
        self._user = user

    def lease_file(self, uuid: str) -> Path:
        """Where a network's leases are; they outlive reboots."""
        return self._leases / f"{uuid}.leases"

    def _path(self, uuid: str, suffix: str) -> Path:
        return self._run_dir / f"{uuid}.{suffix}"

    def start(self, definition: NetworkDefinition, deadline_s: float) -> Detached:
        """Start it, and return when it has its sockets open. Raises DriverError with its own words."""
        uuid = definition.uuid
        program = _which()
        make_folder(self._leases)
        pid_file = self._path(uuid, "pid")
        places = Places(str(pid_file), str(self.lease_file(uuid)), self._user)
        write_file(self._path(uuid, "conf"), config(definition, places).encode())
        pid_file.unlink(missing_ok=True)
        process = detached.start(
            [program, "--keep-in-foreground", self._mark(uuid)],
            log=self._path(uuid, "log"),
            cgroup=detached.cgroup_for(_cgroup(uuid)),
        )
        while not pid_file.exists():
            if process.is_gone(LOOK_S):
                self._sweep(uuid)
                hint = "is another name server or DHCP server running there?" if "in use" in self._last_words(uuid) else ""
                raise DriverError(f"dnsmasq ended at once: {self._last_words(uuid)}", subject=definition.subject, hint=hint)
            if time.monotonic() > deadline_s:
                process.kill(time.monotonic() + KILL_LIMIT_S)
                self._sweep(uuid)
                raise DriverError("dnsmasq did not get ready in time", code=Code.OPERATION_TIMEOUT, subject=definition.subject)
        return process

    def reads(self, definition: NetworkDefinition) -> bool:
        """Whether a dnsmasq that runs was started with what the definition says now."""
        uuid = definition.uuid
        wanted = config(definition, Places(str(self._path(uuid, "pid")), str(self.lease_file(uuid)), self._user))
        try:
            return self._path(uuid, "conf").read_text() == wanted
        except OSError:
            return False

    def find(self, uuid: str, facts: Mapping[str, Any]) -> Detached | None:
        """Find a network's dnsmasq: by its record, by its pid file, or by looking at every process of the machine."""
        recorded = detached.find(facts["pid"], facts["start_time"]) if facts.get("pid") else None
        if recorded is not None and self._is_ours(recorded.pid, uuid):
            return recorded
        written = self._read_pid(uuid)
        return self._identified(written, uuid) or next(
            (
                found
                for pid, args in detached.command_lines()
                if self._mark(uuid) in args and (found := self._identified(pid, uuid))
            ),
            None,
        )

    def _identified(self, pid: int, uuid: str) -> Detached | None:
        process = detached.find(pid, detached.start_time(pid)) if pid else None
        # Looked at now that the pid cannot become another process's any more.
        return process if process is not None and self._is_ours(pid, uuid) else None

    def _is_ours(self, pid: int, uuid: str) -> bool:
        try:
            program = str(Path(f"/proc/{pid}/exe").readlink())
        except OSError:
            return False
        return Path(program.removesuffix(" (deleted)")).name == PROGRAM and self._mark(uuid) in detached.arguments(pid)

    def _read_pid(self, uuid: str) -> int:
        try:
            return int(self._path(uuid, "pid").read_text())
        except (OSError, ValueError):
            return 0

    def stop(self, uuid: str, process: Detached | None) -> None:
        """End it, however it is; one that is stopped or hangs is killed. Raises DriverError if the kernel does not let it go."""
        if process is not None and not process.is_gone():
            if not process.is_stopped():
                process.signal(signal.SIGTERM)
            if (process.is_stopped() or not process.is_gone(POLITE_S)) and not process.kill(time.monotonic() + KILL_LIMIT_S):
                raise DriverError(f"the kernel does not let dnsmasq (process {process.pid}) go", code=Code.OPERATION_TIMEOUT)
        self._sweep(uuid)

    def _sweep(self, uuid: str) -> None:
        detached.remove_cgroup(detached.cgroup_for(_cgroup(uuid)))
        for suffix in ("conf", "conf.new", "pid"):
            self._path(uuid, suffix).unlink(missing_ok=True)

    def forget(self, uuid: str) -> None:
        """Remove what is kept of a network that is no more: its leases and its log."""
        self.lease_file(uuid).unlink(missing_ok=True)
        self._path(uuid, "log").unlink(missing_ok=True)

    def sweep(self, known: set[str]) -> None:
        """Remove what is kept of networks that nobody knows any more."""
        for path in (*self._leases.glob("*.leases"), *self._run_dir.glob("*.log")):
            if path.stem not in known:
                path.unlink(missing_ok=True)

    def read_leases(self, uuid: str) -> str:
        """What the lease file says; nothing if there is none."""
        try:
            return self.lease_file(uuid).read_text(errors="replace")
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise DriverError(f"cannot read its leases: {error.strerror}", code=Code.SYSTEM_ERROR) from None

    def trim_log(self, uuid: str) -> None:
        """Keep a log from growing for ever: dnsmasq appends, so what is cut off is simply gone."""
        try:
            if self._path(uuid, "log").stat().st_size > LOG_BYTES_MAX:
                os.truncate(self._path(uuid, "log"), 0)
        except FileNotFoundError:
            return

    def _last_words(self, uuid: str) -> str:
        try:
            return self._path(uuid, "log").read_text(errors="replace").strip()[-WORDS_CHARS_MAX:] or "without a word"
        except OSError:
            return "without a word"

    def _mark(self, uuid: str) -> str:
        """The argument by which it is known: no other program reads a file of ours as its configuration."""
        return f"--conf-file={self._path(uuid, 'conf')}"


def _cgroup(uuid: str) -> str:
    return f"network-{uuid}"


def _which() -> str:
    for folder in (*os.environ.get("PATH", "").split(os.pathsep), *SYSTEM_PATHS.split(os.pathsep)):
        found = f"{folder}/{PROGRAM}"
        if folder and os.access(found, os.X_OK):
            return found
    hint = "install the package dnsmasq-base, or leave out <dhcp> and what <dns> says"
    raise DriverError("the program 'dnsmasq' is not installed", code=Code.OPERATION_UNSUPPORTED, hint=hint)
