"""Saving a guest's memory to a file and bringing it back: the guest runs or is saved, never both, never neither."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.qemu import save_file
from tierhost.workers.qemu.editing import with_machine
from tierhost.workers.qemu.save_file import About
from tierhost.workers.qemu.starting import DidNotRun
from tierhost.workers.qemu.state import PAUSED, Condition, SaveStep, settle_save
from tierhost.workers.runtime.contract import Code, DriverError, TierhostError
from tierhost.workers.runtime.files import make_folder, sync_folder

if TYPE_CHECKING:
    from tierhost.workers.qemu.domain import Domain
    from tierhost.workers.qemu.ending import Ending
    from tierhost.workers.qemu.monitor import Monitors
    from tierhost.workers.qemu.roster import Guest, Roster
    from tierhost.workers.qemu.starting import Starting

SAVE_LIMIT_S: Final = 170.0
CANCEL_LIMIT_S: Final = 5.0
SPENT: Final = ".spent"
"""Behind the name of an image whose guest is about to run: from then on it is stale, whatever happens."""


class Saving:
    """`save` and `restore` with a file of the user's, managed save with one of ours."""

    def __init__(self, roster: Roster, monitors: Monitors, starting: Starting, ending: Ending) -> None:
        self._roster = roster
        self._monitors = monitors
        self._starting = starting
        self._ending = ending
        self._run = roster.context.run
        self._folder = roster.context.state_dir / "save"

    def image(self, uuid: str) -> Path:
        """Where the next start of a guest finds its memory."""
        return self._folder / f"{uuid}.save"

    def has_image(self, uuid: str) -> bool:
        """Whether saved memory waits for a guest's next start."""
        return self.image(uuid).exists()

    def remove_image(self, uuid: str) -> None:
        """Throw a guest's saved memory away."""
        self.image(uuid).unlink(missing_ok=True)
        if self._folder.exists():
            sync_folder(self._folder)

    # Saving.

    def save_managed(self, guest: Guest, *, paused: bool | None = None) -> None:
        """Save a guest's memory where its next start finds it."""
        make_folder(self._folder)
        self.save(guest, self.image(guest.uuid), paused=paused)

    def save(self, guest: Guest, path: Path, *, paused: bool | None = None) -> None:
        """Save a guest's memory to a file and end it. A failure leaves it as it was. Raises DriverError."""
        with self._roster.changing(guest.uuid):
            if self._roster.guests.get(guest.uuid) is not guest or guest.process.is_gone():
                raise DriverError("domain is not running", code=Code.OPERATION_INVALID, subject=guest.subject)
            intent = f"save {guest.uuid}"
            half_made = path.with_name(f".{path.name}.{guest.uuid}")
            facts = {"uuid": guest.uuid, "path": str(path), "half_made": str(half_made), "written": False}
            self._run.intend(intent, facts)
            try:
                self._write(guest, half_made, guest.paused if paused is None else paused)
            except (TierhostError, OSError) as error:
                self._undo(guest, half_made, intent)
                if isinstance(error, TierhostError):
                    raise
                hint = "is there such a folder, and room in it?"
                raise DriverError(f"{path} cannot be written: {error.strerror}", subject=guest.subject, hint=hint) from None
            # Here it becomes saved: if we die from now on, the next life goes through with it.
            self._run.intend(intent, {**facts, "written": True})
            self._finish(guest, facts)

    def _write(self, guest: Guest, half_made: Path, paused: bool) -> None:  # what it says
        uuid = guest.uuid
        about = About(self._xml_to_restore(guest), self._roster.sealed_password(guest.domain), paused)
        fd = save_file.create(half_made, about)
        try:
            self._monitors.execute(uuid, "stop")
            guest.condition = Condition(PAUSED, "saving")
            with self._monitors.expecting(uuid, "MIGRATION") as event:
                capabilities = [{"capability": "events", "state": True}]
                self._monitors.execute(uuid, "migrate-set-capabilities", {"capabilities": capabilities})
                self._monitors.execute(uuid, "getfd", {"fdname": "memory"}, fd=fd)
                self._monitors.execute(uuid, "migrate", {"uri": "fd:memory"})
                self._wait_written(guest, event)
            os.fsync(fd)
        finally:
            os.close(fd)

    def _wait_written(self, guest: Guest, event: Any) -> None:
        deadline_s, status = time.monotonic() + SAVE_LIMIT_S, ""
        while status != "completed":
            status = str(event(deadline_s)["status"])
            if status == "failed":
                told = self._monitors.execute(guest.uuid, "query-migrate").get("error-desc", "")
                reason = f"QEMU could not write its memory {told}".strip()
                raise DriverError(reason, subject=guest.subject, hint="is the disk full?")

    def _xml_to_restore(self, guest: Guest) -> str:
        """The definition with the very machine it runs on: a newer QEMU means another one by "pc"."""
        kind = str(self._monitors.execute(guest.uuid, "qom-get", {"path": "/machine", "property": "type"}))
        return with_machine(guest.domain.xml, kind.removesuffix("-machine"))

    def _undo(self, guest: Guest, half_made: Path, intent: str) -> None:
        """It could not be saved: it runs on, if it did and if it can."""
        half_made.unlink(missing_ok=True)
        try:
            self._stop_writing(guest)
            if not guest.paused:
                self._monitors.execute(guest.uuid, "cont")
        except TierhostError as error:
            if not guest.process.is_gone():
                self._roster.degrade(guest, f"it was to be saved, and does not run on: {error}")
        with self._run.transaction() as t:
            t.abandon(intent)

    def _stop_writing(self, guest: Guest) -> None:
        """Have QEMU give up a migration that is under way; it may be over by itself."""
        uuid, under_way = guest.uuid, {"setup", "active", "device", "cancelling"}
        if self._monitors.execute(uuid, "query-migrate").get("status") not in under_way:
            return
        with self._monitors.expecting(uuid, "MIGRATION") as event:
            self._monitors.execute(uuid, "migrate_cancel")
            deadline_s = time.monotonic() + CANCEL_LIMIT_S
            while str(event(deadline_s)["status"]) not in {"cancelled", "completed", "failed"}:
                pass

    def _finish(self, guest: Guest, facts: dict[str, Any]) -> None:
        """Its memory is written whole: give the file its name, and end the process."""
        half_made, path = Path(facts["half_made"]), Path(facts["path"])
        try:
            if half_made.exists():
                save_file.complete(half_made, path)
        except OSError as error:
            self._undo(guest, half_made, f"save {guest.uuid}")
            raise DriverError(f"{path} cannot be made: {error.strerror}", subject=guest.subject) from None
        guest.ending = "saved"
        if not guest.process.kill(time.monotonic() + CANCEL_LIMIT_S):
            raise DriverError("it is saved, but the kernel does not let its process go", subject=guest.subject)
        self._ending.ended(guest, f"save {guest.uuid}", answer=True)

    # After a restart of this driver.

    def settle(self, guest: Guest | None, facts: dict[str, Any]) -> None:
        """Settle a save that was under way when we died; `guest` is None if its process is dead. Hold its lock."""
        uuid, half_made, path = facts["uuid"], Path(facts["half_made"]), Path(facts["path"])
        written = bool(facts["written"])
        step = settle_save(written=written, file_there=half_made.exists() or path.exists(), alive=guest is not None)
        if step is SaveStep.UNDO and guest is not None:
            self._undo(guest, half_made, f"save {uuid}")
        elif step is SaveStep.LOST:
            half_made.unlink(missing_ok=True)
            with self._run.transaction() as t:
                t.abandon(f"save {uuid}")
        elif guest is not None:
            self._finish(guest, facts)
        else:
            if half_made.exists():
                save_file.complete(half_made, path)
            self._ending.record(uuid, "saved", f"save {uuid}")

    def drop_stale_images(self) -> None:
        """An image whose guest was about to run, or runs, is stale: its disks have moved on."""
        if not self._folder.exists():
            return
        intents = self._run.intents()
        under_way = {Path(facts["half_made"]).name for key, facts in intents.items() if key.startswith("save ")}
        for path in self._folder.iterdir():
            uuid = path.name.partition(".")[0]
            stale = path.name.endswith(SPENT) or (path.name.startswith(".") and path.name not in under_way)
            if stale or (self._roster.is_running(uuid) and f"save {uuid}" not in intents):
                path.unlink(missing_ok=True)
        sync_folder(self._folder)

    # Bringing back.

    def start_or_restore(self, domain: Domain, *, paused: bool = False) -> Guest:
        """Start a guest, from its saved memory if there is some."""
        image = self.image(domain.uuid)
        if not image.exists():
            return self._starting.start(domain, paused=paused)
        spent = image.with_name(image.name + SPENT)

        def spend() -> None:
            """From here on the image is stale: this is on disk before the guest runs, so that nobody ever uses it again."""
            save_file.complete(image, spent)

        try:
            return self.restore(image, paused=paused, about_to_run=spend)
        except DidNotRun:
            save_file.complete(spent, image)
            raise
        finally:
            spent.unlink(missing_ok=True)

    def restore(self, path: Path, *, paused: bool = False, about_to_run: Any = None) -> Guest:
        """Start a guest from a file. Raises BadSaveFile, or what a start raises."""
        fd, about = save_file.open_saved(path)
        try:
            domain = self._roster.completed(about.xml, about.password)
            self._roster.check_name(domain)
            return self._starting.start(domain, paused=paused or about.paused, memory=fd, about_to_run=about_to_run)
        finally:
            os.close(fd)
