"""QEMU processes and their files in the run directory: launched apart from us, found again, never doubled."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tierhost.workers.qemu.command_line import Resolved, arguments, given_name, identity
from tierhost.workers.qemu.keys import MasterKey
from tierhost.workers.qemu.taps import open_tap
from tierhost.workers.runtime import detached
from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from tierhost.workers.qemu.blocks import Place
    from tierhost.workers.qemu.domain import Domain
    from tierhost.workers.runtime.detached import Detached

EMULATORS: Final = {"x86_64": "qemu-system-x86_64", "i686": "qemu-system-i386"}
WORDS_CHARS_MAX: Final = 400
LOG_BYTES_MAX: Final = 1 << 20
SOCKET_PATH_BYTES_MAX: Final = 107
LEFT_BEHIND: Final = ("qmp", "vnc", "pid")


class AlreadyAlive(DriverError):
    """Raised when a process of this guest lives, whatever any record says. It is not started a second time."""

    code = Code.OPERATION_INVALID


@dataclass(frozen=True, slots=True)
class Supplies:
    """What other drivers had to say about a guest's disks, by target, and about its cards."""

    places: dict[str, Place] = field(default_factory=dict)
    keys: dict[str, bytes] = field(default_factory=dict)
    logins: dict[str, bytes] = field(default_factory=dict)
    volumes: list[list[str]] = field(default_factory=list)
    taps: dict[int, str] = field(default_factory=dict)
    """By the card's number: the device that it is plugged into."""


@dataclass(frozen=True, slots=True)
class Found:
    """A guest's process that was found by its arguments."""

    process: Detached
    name: str


class Backend:
    """One run directory's guests, as the kernel shows them. Knows no records; thread-safe, for it keeps nothing."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir

    def path(self, uuid: str, suffix: str) -> Path:
        """A file of a guest: lock, qmp (its monitor), pid, log, vnc."""
        return self._run_dir / f"{uuid}.{suffix}"

    # Is it alive?

    def is_claimed(self, uuid: str) -> bool:
        """Whether somebody holds a guest's lock: its QEMU inherited it, so it is held exactly as long as that lives."""
        try:
            fd = os.open(self.path(uuid, "lock"), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    def survey(self) -> dict[str, Found]:
        """Look at every process of the machine for guests of this directory: true even when all files are lost."""
        here = self._run_dir.resolve()
        found = {}
        for pid, args in detached.command_lines():
            who = identity(args)
            if who is not None and Path(who[1]).parent.resolve() == here:
                process = detached.find(pid, detached.start_time(pid))
                # Read once more, now that the process cannot be taken for another any longer.
                if process is not None and detached.arguments(pid) == args:
                    found[who[0]] = Found(process, given_name(args))
        return found

    def locks(self) -> set[str]:
        """The guests that have a lock file."""
        return {path.stem for path in self._run_dir.glob("*.lock")}

    def claim(self, domain: Domain) -> int:
        """Take a guest's lock, for its QEMU to inherit; return its descriptor. Raises AlreadyAlive."""
        fd = os.open(self.path(domain.uuid, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A lock file that somebody removed under a running guest would be free: hence a look at the processes, too.
            alive = domain.uuid in self.survey()
        except BlockingIOError:
            alive = True
        if alive:
            os.close(fd)
            hint = "it is left alone; `tierhost worker-restart qemu` looks for it again"
            raise AlreadyAlive("a process of this guest lives, whatever the records say", subject=domain.subject, hint=hint)
        return fd

    # Starting one.

    def launch(self, domain: Domain, supplies: Supplies, lock: int, *, incoming: bool = False) -> Detached:
        """Start a guest's QEMU, paused, holding `lock`. Nothing of ours stays open but its pidfd. Raises DriverError."""
        key = MasterKey()
        graphics = domain.graphics
        with ExitStack() as open_here:
            monitor = self._listen(domain.uuid)
            open_here.callback(monitor.close)
            key_fd = key.memory_file()
            open_here.callback(os.close, key_fd)
            tap_fds = {}
            for number, device in supplies.taps.items():
                tap_fds[number] = open_tap(device)
                open_here.callback(os.close, tap_fds[number])
            resolved = Resolved(
                emulator=emulator(domain),
                pidfile=str(self.path(domain.uuid, "pid")),
                monitor_fd=monitor.fileno(),
                master_key_fd=key_fd,
                vnc_socket=str(self.path(domain.uuid, "vnc")),
                places=supplies.places,
                keys={target: key.wrap(value) for target, value in supplies.keys.items()},
                logins={target: key.wrap(value) for target, value in supplies.logins.items()},
                vnc_password=key.wrap(graphics.password.encode()) if graphics and graphics.password else None,
                incoming=incoming,
                tap_fds=tap_fds,
            )
            self._check_socket(domain, resolved)
            return detached.start(
                arguments(domain, resolved),
                log=self.path(domain.uuid, "log"),
                cgroup=detached.cgroup_for(domain.uuid),
                pass_fds=[lock, monitor.fileno(), key_fd, *tap_fds.values()],
            )

    def _listen(self, uuid: str) -> socket.socket:
        """Make the monitor's socket ourselves and hand it over: whoever connects never comes too early."""
        self.path(uuid, "qmp").unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX)
        with self._short(uuid) as address:
            listening.bind(address)
        listening.listen(1)
        return listening

    def connect(self, uuid: str) -> socket.socket:
        """Connect to a guest's monitor. Raises OSError. That the kernel connects us does not mean that anybody answers."""
        connected = socket.socket(socket.AF_UNIX)
        connected.setblocking(False)
        try:
            with self._short(uuid) as address:
                connected.connect(address)
        except OSError:
            connected.close()
            raise
        return connected

    def _short(self, uuid: str) -> _ShortPath:
        return _ShortPath(self._run_dir, f"{uuid}.qmp")

    def _check_socket(self, domain: Domain, resolved: Resolved) -> None:
        graphics = domain.graphics
        path = (graphics.socket or resolved.vnc_socket) if graphics is not None and graphics.kind == "socket" else ""
        if len(os.fsencode(path)) > SOCKET_PATH_BYTES_MAX:
            hint = "name a shorter one in <listen type='socket' socket='...'/>"
            raise DriverError(
                f"the VNC socket's path {path} is too long", code=Code.CONFIG_UNSUPPORTED, subject=domain.subject, hint=hint
            )

    # What it says and leaves behind.

    def last_words(self, uuid: str) -> str:
        """The end of what a QEMU wrote before it died."""
        try:
            return self.path(uuid, "log").read_text(errors="replace").strip()[-WORDS_CHARS_MAX:]
        except OSError:
            return ""

    def trim_log(self, uuid: str) -> None:
        """Keep a log from growing for ever: QEMU appends, so what is cut off is simply gone."""
        try:
            if self.path(uuid, "log").stat().st_size > LOG_BYTES_MAX:
                os.truncate(self.path(uuid, "log"), 0)
        except FileNotFoundError:
            return

    def sweep(self, uuid: str, *, entirely: bool) -> None:
        """Remove what a dead guest leaves behind; `entirely`: its lock and its log, too."""
        detached.remove_cgroup(detached.cgroup_for(uuid))
        # The lock goes last: by it the next life finds what is left, should we die in here.
        for suffix in (*LEFT_BEHIND, "log", "lock") if entirely else LEFT_BEHIND:
            self.path(uuid, suffix).unlink(missing_ok=True)


class _ShortPath:
    """A socket's address through a descriptor of its folder: a UNIX socket's path may have 107 bytes, ours may be longer."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name

    def __enter__(self) -> str:
        self._fd = os.open(self._folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"/proc/self/fd/{self._fd}/{self._name}"

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def emulator(domain: Domain) -> str:
    """The program that runs this guest. Raises CONFIG_UNSUPPORTED if it is not there."""
    name = EMULATORS[domain.arch]
    path = domain.emulator or shutil.which(name) or ""
    if not path or not os.access(path, os.X_OK):
        hint = "install the package qemu-system-x86"
        raise DriverError(f"{path or name} cannot be run", code=Code.CONFIG_UNSUPPORTED, subject=domain.subject, hint=hint)
    return path


def is_installed() -> bool:
    """Whether there is any QEMU to drive. Quick: nothing is run."""
    return any(shutil.which(name) for name in EMULATORS.values())
