"""The composition root: puts one host together, runs it, and leaves nothing behind."""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import time
from typing import TYPE_CHECKING

from tierhost.host import catalog as catalogs
from tierhost.host import config as configs
from tierhost.host.core import events
from tierhost.host.shell import cgroups, procfs
from tierhost.host.shell.lives import BootRecord, Lives
from tierhost.host.shell.processes import Processes
from tierhost.ipc.errors import TierhostError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tierhost.host.catalog import Catalog
    from tierhost.host.config import Config, Settings
    from tierhost.host.core.events import Event
    from tierhost.host.shell.forking import Zygote
    from tierhost.host.shell.lives import Life
    from tierhost.ipc.paths import Root

PR_SET_CHILD_SUBREAPER = 36
PRIVATE = 0o700


class HostRefused(TierhostError):
    """Raised when this host cannot start: another one runs here, or the directories are not usable."""


def run_host(settings: Settings, zygote: Zygote) -> int:
    """Run a host until it is asked to end. Called by `tierhost up`; returns the exit code.

    `zygote` was started before anything of this module was imported, and ends with the caller. Raises HostRefused,
    BadConfig or BadManifest before any worker was started, with a text for people.
    """
    lock_fd = _prepare(settings.root)
    try:
        config = configs.load(settings.config_file) if settings.config_file else configs.Config()
        catalog = catalogs.read(config, settings.drivers_dirs, settings.root.run / "classes")
        zygote.begin(catalog.preload())
        _become_subreaper()
        _serve(settings, config, catalog, zygote)
    finally:
        os.close(lock_fd)
    return 0


def _make(folder: Path) -> None:
    """Make a directory and what is missing above it, their names on disk: what drivers sync below must not hang in the air."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
    for place in missing:
        descriptor = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _prepare(root: Root) -> int:
    """Make the directories, take the lock. Returns the lock's file descriptor."""
    for folder in (root.state, root.run, root.run / "workers"):
        try:
            _make(folder)
            folder.chmod(PRIVATE)
        except OSError as error:
            reason = f"cannot use {folder}: {error.strerror}"
            raise HostRefused(reason, hint="choose another --root") from None
    root.worker_socket("a-driver-with-a-name-of-some-length", 1_000_000)
    lock_fd = os.open(root.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(lock_fd, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(lock_fd)
        reason = f"another host runs on {root.run}: pid {holder}"
        raise HostRefused(reason, hint="`tierhost status` asks it, `tierhost down` ends it") from None
    os.ftruncate(lock_fd, 0)
    os.pwrite(lock_fd, f"{os.getpid()}\n".encode(), 0)
    return lock_fd


def _become_subreaper() -> None:
    """Orphans of dead workers (guests, above all) become our children: then their exit does not leave zombies."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _serve(settings: Settings, config: Config, catalog: Catalog, zygote: Zygote) -> None:
    boot_id = procfs.boot_id()
    boot = BootRecord(settings.root.run / "boot", boot_id)
    if not boot.same_boot:
        _forget_last_boot(settings.root)
        boot.write()
    fence = cgroups.Fence.build(settings.root.run)
    processes = Processes(settings.root, fence, zygote, epoch=f"{time.monotonic_ns() // 1000:x}")
    lives = Lives(settings.root.lives)
    found, damaged = lives.read()
    adopted = [life for life in found if life.alive and life.driver in catalog.drivers and processes.adopt(life)]
    _order_first(processes, catalog, adopted)
    _end_leftovers(settings.root, processes, [life for life in found if life not in adopted], adopted)

    # Everything below needs ZeroMQ, whose import runs beside those of the first workers.
    from tierhost.host import assembly  # noqa: PLC0415

    equipment, loop = assembly.assemble(settings, config, catalog, processes, lives, boot, boot_id)
    try:
        for name in damaged:
            equipment.publisher.say(time.monotonic(), "host", "life-record-damaged", name)
        for source, reason in catalog.broken.items():
            equipment.publisher.say(time.monotonic(), "host", "driver-broken", source, {"reason": reason})
        loop.run(_first_events(found, adopted))
    finally:
        assembly.dismantle(equipment)
        fence.remove()


def _order_first(processes: Processes, catalog: Catalog, adopted: list[Life]) -> None:
    """Let the processes of the first lives import their drivers while the host is still putting itself together."""
    living = {life.driver for life in adopted}
    for name, manifest in catalog.drivers.items():
        if name not in living and (manifest.warm or manifest.blob):
            processes.order(manifest)


def _end_leftovers(root: Root, processes: Processes, gone: Iterable[Life], adopted: Iterable[Life]) -> None:
    """Bury what a former host did not get to: children of dead lives, sockets, empty cgroups, logs that say nothing."""
    for life in gone:
        if life.alive and procfs.start_time(life.pid) in {None, life.start_time}:
            cgroups.kill_all(life.cgroup, life.pid)
    # Not only those of the records: a host that died early in a burial has written the successor's over the dead one's.
    kept = {root.worker_socket(life.driver, life.incarnation) for life in adopted}
    for path in root.worker_sockets():
        if path not in kept:
            path.unlink(missing_ok=True)
    shutil.rmtree(root.rehearsals, ignore_errors=True)
    processes.sweep()


def _first_events(found: list[Life], adopted: list[Life]) -> list[Event]:
    first: list[Event] = [events.IncarnationSeen(life.driver, life.incarnation) for life in found if life not in adopted]
    first += [events.LifeFound(life.driver, life.incarnation) for life in adopted]
    return [*first, events.HostStarted()]


def _forget_last_boot(root: Root) -> None:
    """The machine was booted since: no process, socket or life of the old boot exists. Drivers empty their run state."""
    for name in ("lives", "workers", "logs"):
        shutil.rmtree(root.run / name, ignore_errors=True)
    (root.run / "workers").mkdir(mode=PRIVATE, exist_ok=True)
    for path in (root.beats, root.host_socket, root.events_socket):
        path.unlink(missing_ok=True)
