"""Saving a guest's memory to a file and bringing it back: the guest runs or is saved, never both, never neither."""

from __future__ import annotations

import os
import struct
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tierhost.workers.qemu.domain_xml import from_xml
from tierhost.workers.qemu.guests import Guest
from tierhost.workers.qemu.monitor import MonitorSilent
from tierhost.workers.qemu.watching import Watching
from tierhost.workers.runtime.contract import Code, DriverError, change, read

if TYPE_CHECKING:
    from tierhost.workers.qemu.domain import Domain

MAGIC = b"tierhost-save-1\n"
HEADER = struct.Struct(">16sI")
XML_BYTES_MAX = 4 << 20
SAVE_LIMIT_S = 120.0


class Saving(Watching):
    """`save` and `restore` with a file of the user's, managed save with one of ours."""

    @change()
    def domain_save(self, domain: str, path: str) -> None:
        """Save a running guest's memory to `path` and end it."""
        guest = self._running(domain)
        target = Path(path)
        if not target.is_absolute():
            reason = f"{path!r:.80} is not an absolute path"
            raise DriverError(reason, code=Code.INVALID_ARG)
        self._save(guest, target)

    @change()
    def domain_managed_save(self, domain: str) -> None:
        """Save a running guest's memory where its next start finds it, and end it."""
        guest = self._running(domain)
        if guest.transient:
            reason = "a transient guest has no next start"
            raise DriverError(reason, code=Code.OPERATION_INVALID, subject=f"guest {guest.domain.name}")
        self._save(guest, self._save_path(guest.domain.uuid))

    @read()
    def domain_has_managed_save_image(self, domain: str) -> bool:
        """Whether the next start would bring saved memory back."""
        return self._save_path(self._find(domain).uuid).exists()

    @change()
    def domain_managed_save_remove(self, domain: str) -> None:
        """Throw saved memory away: the next start is a fresh one."""
        self._save_path(self._find(domain).uuid).unlink(missing_ok=True)

    @change()
    def domain_restore(self, path: str) -> str:
        """Start a guest from a file that `domain_save` wrote; return its name."""
        image = Path(path)
        with image.open("rb") as file:
            domain = _read_header(file.fileno(), image)
        known = self._domains.get(domain.uuid)
        self._start(domain, transient=known is None, incoming=image, reason="restored")
        return domain.name

    def _save(self, guest: Guest, target: Path) -> None:
        uuid = guest.domain.uuid
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = target.with_name(target.name + ".new")
        with self.context.jobs.changing(f"guest {uuid}"):
            was_running = guest.state == "running"
            self._monitors.execute(uuid, "stop")
            fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                xml = guest.domain.xml.encode()
                os.write(fd, HEADER.pack(MAGIC, len(xml)) + xml)
                self._monitors.send_fd(uuid, "save", fd)
                self._monitors.execute(uuid, "migrate", {"uri": "fd:save"})
                self._wait_migrated(guest)
                os.fsync(fd)
            except DriverError:
                fresh.unlink(missing_ok=True)
                if was_running:
                    self._monitors.execute(uuid, "cont")
                raise
            finally:
                os.close(fd)
            # From the rename on the guest counts as saved: if we die here, its process has stopped for good
            # (postmigrate), and the next life ends it rather than letting both exist.
            os.replace(fresh, target)
            _sync(target.parent)
            guest.ending = "saved"
            guest.process.kill(time.monotonic() + 5.0)
        self._ended(guest)

    def _wait_migrated(self, guest: Guest) -> None:
        deadline_s = time.monotonic() + SAVE_LIMIT_S
        while time.monotonic() < deadline_s:
            status = self._monitors.execute(guest.domain.uuid, "query-migrate").get("status")
            if status == "completed":
                return
            if status == "failed":
                reason = "QEMU could not write its memory"
                raise DriverError(reason, subject=f"guest {guest.domain.name}", hint="is the disk full?")
            time.sleep(0.005)  # QMP tells of progress only when asked
        reason = f"saving took more than {SAVE_LIMIT_S:g} s"
        raise DriverError(reason, code=Code.OPERATION_TIMEOUT, subject=f"guest {guest.domain.name}")

    def _image_offset(self, fd: int) -> int:
        _, length = HEADER.unpack(os.pread(fd, HEADER.size, 0))
        return HEADER.size + int(length)

    def _start_or_restore(self, domain: Domain, *, paused: bool = False) -> Guest:
        """Start a guest, from its saved memory if there is some; that is removed once the guest is on record."""
        image = self._save_path(domain.uuid)
        if not image.exists():
            return self._start(domain, paused=paused)
        with image.open("rb") as file:
            saved = _read_header(file.fileno(), image)
        guest = self._start(replace(saved, name=domain.name), paused=paused, incoming=image, reason="restored")
        image.unlink(missing_ok=True)
        return guest

    def _drop_stale_images(self) -> None:
        """A saved image of a guest that runs is stale: its disks have moved on. A guest that stopped for its image ends."""
        for uuid, guest in list(self._guests.items()):
            if not self._save_path(uuid).exists():
                continue
            try:
                status = self._monitors.execute(uuid, "query-status")["status"]
            except MonitorSilent:
                continue
            if status == "postmigrate":
                guest.ending = "saved"
                guest.process.kill(time.monotonic() + 5.0)
            else:
                self._save_path(uuid).unlink(missing_ok=True)
        for half in self._save_path("x").parent.glob("*.new"):
            half.unlink(missing_ok=True)


def _read_header(fd: int, path: Path) -> Domain:
    head = os.pread(fd, HEADER.size, 0)
    if len(head) == HEADER.size:
        magic, length = HEADER.unpack(head)
        if magic == MAGIC and length <= XML_BYTES_MAX:
            xml = os.pread(fd, length, HEADER.size).decode(errors="replace")
            return replace(from_xml(xml)[0], xml=xml)
    reason = f"{path} is not a saved guest"
    raise DriverError(reason, code=Code.OPERATION_FAILED, hint="was it written by domain_save?")


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
