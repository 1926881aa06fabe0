"""Starting a guest: everything is fetched first, then the guest is locked, intended, launched, recorded, and let run."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tierhost.workers.qemu.command_line import Resolved, arguments
from tierhost.workers.qemu.guests import GUESTS, Guest, Guests
from tierhost.workers.qemu.keys import MasterKey
from tierhost.workers.qemu.monitor import MonitorSilent
from tierhost.workers.runtime import detached
from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tierhost.workers.qemu.domain import Disk, Domain
    from tierhost.workers.runtime.detached import Detached

GREET_LIMIT_S = 10.0
KILL_LIMIT_S = 5.0
LOG_TAIL_CHARS = 400


@dataclass(slots=True)
class Fetched:
    """What other drivers had to say about a guest's disks, by target."""

    paths: dict[str, str] = field(default_factory=dict)
    formats: dict[str, str] = field(default_factory=dict)
    keys: dict[str, bytes] = field(default_factory=dict)
    volumes: list[list[str]] = field(default_factory=list)


class Launching(Guests):
    """How a guest comes to run."""

    def _fetch(self, domain: Domain) -> Fetched:
        """Ask storage for volumes and secret for keys. No lock is held: either may be slow, or dead."""
        fetched = Fetched()
        for disk in domain.disks:
            self._fetch_disk(domain, disk, fetched)
        return fetched

    def _fetch_disk(self, domain: Domain, disk: Disk, fetched: Fetched) -> None:
        path, image_format = disk.path, disk.format
        if disk.kind == "volume":
            volume = self.context.services.storage.resolve_volume(disk.pool, disk.volume, f"guest {domain.uuid}")
            path, image_format = volume["path"], volume["format"]
            fetched.volumes.append([disk.pool, disk.volume])
            if volume["encryption"] and disk.key is None:
                reason = f"volume {disk.volume} is encrypted, and the disk names no secret"
                raise DriverError(reason, code=Code.CONFIG_UNSUPPORTED, subject=f"guest {domain.name} disk {disk.target}")
        elif path and not os.path.exists(path):
            reason = f"{path} does not exist"
            raise DriverError(reason, code=Code.SYSTEM_ERROR, subject=f"guest {domain.name} disk {disk.target}")
        if path:
            fetched.paths[disk.target], fetched.formats[disk.target] = path, image_format
        if disk.key is not None:
            fetched.keys[disk.target] = self._fetch_key(domain, disk)

    def _fetch_key(self, domain: Domain, disk: Disk) -> bytes:
        assert disk.key is not None
        try:
            if disk.key.uuid:
                value: bytes = self.context.services.secret.get_value(uuid=disk.key.uuid)
            else:
                value = self.context.services.secret.get_value(usage_type="volume", usage_id=disk.key.usage)
        except DriverError as error:
            raise DriverError(error.text, code=error.code, subject=f"guest {domain.name} disk {disk.target}", hint=error.hint) from None
        return value

    def _start(self, domain: Domain, *, paused: bool = False, transient: bool = False, incoming: Path | None = None, reason: str = "booted") -> Guest:
        """Start a guest that does not run, and return once it is on record and runs. Raises DriverError."""
        fetched = self._fetch(domain)
        with self.context.jobs.changing(f"guest {domain.uuid}"), ExitStack() as open_files:
            if domain.uuid in self._guests:
                text = "domain is already running"
                raise DriverError(text, code=Code.OPERATION_INVALID, subject=f"guest {domain.name}")
            lock_fd = self._claim(domain, open_files)
            intent = f"start {domain.uuid}"
            self.context.run.intend(intent, {"uuid": domain.uuid, "name": domain.name, "monitor": str(self._path(domain.uuid, "qmp"))})
            guest: Guest | None = None
            try:
                process = self._launch(domain, fetched, lock_fd, open_files, incoming)
                with self._lock:
                    self._numbers += 1
                guest = Guest(domain, process, self._numbers, transient, fetched.volumes, paused_by_user=paused)
                self._greet(guest)
                self._let_run(guest, paused=paused, incoming=incoming is not None, reason=reason)
            except DriverError:
                self._give_up(domain, guest, intent)
                raise
            with self.context.run.transaction() as t:
                t.put(GUESTS, domain.uuid, guest.row())
                t.settle(intent, reply=domain.name)
                t.reply(domain.name)
            self._add(guest)
            self._monitors.watch(domain.uuid, process.pidfd)
        self.context.mend(f"guest {domain.name}")
        self._lifecycle(domain, "started", reason)
        return guest

    def _claim(self, domain: Domain, open_files: ExitStack) -> int:
        """Take the guest's lock. QEMU inherits it, so that it is held exactly as long as a process of the guest lives."""
        fd = os.open(self._path(domain.uuid, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        open_files.callback(os.close, fd)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            reason = "a process of this guest lives, whatever the records say; it is not started a second time"
            raise DriverError(reason, code=Code.OPERATION_INVALID, subject=f"guest {domain.name}", hint="`tierhost status` shows it") from None
        return fd

    def is_alive(self, uuid: str) -> bool:
        """Whether any process of this guest lives, by its lock: the one truth no file can contradict."""
        try:
            fd = os.open(self._path(uuid, "lock"), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    def _launch(self, domain: Domain, fetched: Fetched, lock_fd: int, open_files: ExitStack, incoming: Path | None) -> Detached:
        key = MasterKey()
        monitor = self._listen(domain.uuid, open_files)
        key_fd = key.memory_file()
        open_files.callback(os.close, key_fd)
        pass_fds = [lock_fd, monitor.fileno(), key_fd]
        incoming_fd = None
        if incoming is not None:
            incoming_fd = os.open(incoming, os.O_RDONLY | os.O_CLOEXEC)
            open_files.callback(os.close, incoming_fd)
            os.lseek(incoming_fd, self._image_offset(incoming_fd), os.SEEK_SET)
            pass_fds.append(incoming_fd)
        graphics = domain.graphics
        resolved = Resolved(
            emulator=domain.emulator or self._emulator,
            monitor_fd=monitor.fileno(),
            master_key_fd=key_fd,
            paths=fetched.paths,
            formats=fetched.formats,
            wrapped={target: key.wrap(value) for target, value in fetched.keys.items()},
            vnc_socket=str(self._path(domain.uuid, "vnc")),
            vnc_password=key.wrap(graphics.password.encode()) if graphics and graphics.password else None,
            incoming_fd=incoming_fd,
        )
        log = self._path(domain.uuid, "log")
        log.write_bytes(b"")
        cgroup = detached.cgroup_for(self.context.run_dir, domain.uuid)
        return detached.start(arguments(domain, resolved), log=log, cgroup=cgroup, pass_fds=pass_fds)

    def _image_offset(self, fd: int) -> int:
        """Where the memory image begins in a saved guest's file (saving.py knows)."""
        raise NotImplementedError

    def _listen(self, uuid: str, open_files: ExitStack) -> socket.socket:
        path = self._path(uuid, "qmp")
        path.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX)
        open_files.callback(listening.close)
        listening.bind(str(path))
        listening.listen(1)
        return listening

    def _greet(self, guest: Guest) -> None:
        """Connect to the fresh QEMU; if it died at once, say what it said."""
        domain = guest.domain
        deadline_s = time.monotonic() + GREET_LIMIT_S
        while True:
            try:
                self._monitors.attach(domain.uuid, str(self._path(domain.uuid, "qmp")))
            except MonitorSilent as error:
                if guest.process.is_gone():
                    said = self._path(domain.uuid, "log").read_text(errors="replace").strip()[-LOG_TAIL_CHARS:]
                    reason = f"QEMU ended at once: {said or 'without a word'}"
                    code = Code.OPERATION_FAILED
                    raise DriverError(reason, code=code, subject=f"guest {domain.name}", hint=_hint(said)) from None
                if time.monotonic() > deadline_s:
                    raise DriverError(error.text, code=Code.OPERATION_TIMEOUT, subject=f"guest {domain.name}") from None
            else:
                return

    def _let_run(self, guest: Guest, *, paused: bool, incoming: bool, reason: str) -> None:
        uuid = guest.domain.uuid
        if incoming:
            deadline_s = time.monotonic() + GREET_LIMIT_S * 3
            for status in self._statuses(uuid):
                if status != "inmigrate":
                    break
                if time.monotonic() > deadline_s:
                    text = "the saved memory did not load in time"
                    raise DriverError(text, code=Code.OPERATION_TIMEOUT, subject=f"guest {guest.domain.name}")
        if paused:
            guest.state, guest.reason = "paused", "starting up"
            return
        self._monitors.execute(uuid, "cont")
        guest.state, guest.reason = "running", reason

    def _statuses(self, uuid: str) -> Iterator[str]:
        while True:
            yield self._monitors.execute(uuid, "query-status")["status"]
            time.sleep(0.005)  # QMP has no event for the end of an incoming migration that we did not enable

    def _give_up(self, domain: Domain, guest: Guest | None, intent: str) -> None:
        """The start failed: leave nothing of it."""
        if guest is not None:
            guest.process.kill(time.monotonic() + KILL_LIMIT_S)
            self._monitors.detach(domain.uuid)
            guest.process.close()
        self._sweep(domain.uuid)
        with self.context.run.transaction() as t:
            t.abandon(intent)
        self._release_volumes(domain.uuid)

    def _sweep(self, uuid: str) -> None:
        """Remove what a guest's process leaves behind."""
        for suffix in ("qmp", "vnc"):
            self._path(uuid, suffix).unlink(missing_ok=True)
        detached.remove_cgroup(detached.cgroup_for(self.context.run_dir, uuid))

    def _release_volumes(self, uuid: str, attempt: int = 0) -> None:
        """Tell storage, whenever it can be told, that the guest no longer uses its volumes."""
        raise NotImplementedError


def _hint(said: str) -> str:
    if "Invalid password" in said:
        return "the secret's value does not open the disk: set the right passphrase"
    if "lock" in said:
        return "another process uses the image"
    return ""
