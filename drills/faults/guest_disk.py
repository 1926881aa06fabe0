"""A guest's own disk fails: it reads and writes over NBD from a server of ours, which answers with errors until it is healed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.example_site import EXAMPLES
from tierhost.drills.faults import BadPlan, NotFired, PromiseBroken
from tierhost.drills.faults.bodies import Leashed, check_known
from tierhost.drills.faults.undoing import PLACE
from tierhost.drills.plan import Ask
from tierhost.drills.waiting import within
from tierhost.ipc.errors import TierhostError

if TYPE_CHECKING:
    from collections.abc import Mapping

ROLE: Final = "guest "
DISK_BYTES: Final = 1 << 20
UP_LIMIT_S: Final = 10.0
SHOWN_LIMIT_S: Final = 20.0
"""The guest goes to its disk about once a second; under a loaded machine's emulation it may take longer."""

WENT_ON_LIMIT_S: Final = 40.0
"""Longer than the longest pause between two tries to let it go on."""

CALL_LIMIT_S: Final = 30.0
PAUSED: Final = {"state": "paused", "reason": "ioerror"}
NBDKIT: Final = ("nbdkit", "--foreground", "--filter=error")


class GuestDiskErrors(Leashed):
    """The guest is put on a disk that can fail (`make_ready`: defined anew and started); then each access ends with EIO.

    Promised, or the run is BROKEN: while it fails the guest is shown as paused for an I/O error, and healed it runs on by itself
    in the process that it had.
    """

    kind = "guest-disk-errors"

    def __init__(self, target: Any, whom: str, options: Mapping[str, Any]) -> None:
        super().__init__(target, whom, options)
        check_known(self.kind, options, ())
        if not whom.startswith(ROLE):
            raise BadPlan(f"{whom!r} is no guest", subject=f"fault {self.kind}", hint='a target is named "guest NAME"')
        self.name = whom.removeprefix(ROLE)
        self._failed = False

    def prepare(self) -> dict[str, Any]:
        """Say where the disk's server is, and what makes it fail."""
        if shutil.which("nbdkit") is None:
            raise NotFired("nbdkit is not installed", subject=self.whom, hint="install the package nbdkit")
        place = self.target.folder / PLACE / "guest-disks"
        return {"errors": str(place / f"{self.name}.errors"), "door": str(place / f"{self.name}.nbd")}

    def make_ready(self) -> None:
        """Start the server, and the guest anew on it."""
        arguments = self.leash()["arguments"]
        door = Path(arguments["door"])
        if door.exists():
            return
        uuid = str(self._ask("qemu.domain_lookup_by_name")["uuid"])
        _serve(door, Path(arguments["errors"]))
        self._ask("qemu.domain_destroy")
        self.target.ask(Ask("qemu.domain_define_xml", (_xml(self.name, uuid, door),), CALL_LIMIT_S))
        self._ask("qemu.domain_create")

    def act(self, arguments: Mapping[str, Any]) -> str:
        """Let every access fail, and wait until the guest is shown as what it is."""
        self.make_ready()
        Path(arguments["errors"]).touch()
        self._failed = True
        if not within(lambda: self._state() == PAUSED, SHOWN_LIMIT_S):
            raise PromiseBroken(f"its disk fails, and it is shown as {self._state()}", subject=self.whom)
        return f"its disk answers with EIO, and {self.name} is shown as paused for an I/O error"

    def heal(self) -> None:
        """Let its disk be well again, and see that the guest goes on."""
        super().heal()
        failed, self._failed = self._failed, False
        if failed and not within(lambda: self._state().get("state") == "running", WENT_ON_LIMIT_S):
            raise PromiseBroken(f"its disk is well again, and it is shown as {self._state()}", subject=self.whom)

    def _state(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = self._ask("qemu.domain_get_state")
        except TierhostError as error:
            return {"error": str(error)}
        return state

    def _ask(self, method: str) -> Any:
        return self.target.ask(Ask(method, (self.name,), CALL_LIMIT_S))

    @staticmethod
    def undo(**arguments: Any) -> None:
        """Let its disk be well again. The server stays as long as the target does, whose guest is on it."""
        Path(arguments["errors"]).unlink(missing_ok=True)


def _serve(door: Path, errors: Path) -> None:
    """Serve a disk from which a guest boots; it ends when the target's folder is swept."""
    door.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    image = door.with_suffix(".raw")
    image.write_bytes((EXAMPLES / "guest" / "boot.bin").read_bytes())
    os.truncate(image, DISK_BYTES)
    options = ["file", f"file={image}", "error=EIO", "error-rate=100%", f"error-file={errors}"]
    subprocess.Popen(
        [*NBDKIT, f"--unix={door}", *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    if not within(lambda: _answers(door), UP_LIMIT_S):
        raise NotFired("the server of its disk does not come up", subject=str(door))


def _answers(door: Path) -> bool:
    with suppress(OSError), socket.socket(socket.AF_UNIX) as line:
        line.connect(str(door))
        return True
    return False


def _xml(name: str, uuid: str, door: Path) -> str:
    # Without ACPI this guest takes its power button for pressed, and never goes to its disk.
    source = f"<source protocol='nbd'><host transport='unix' socket='{door}'/></source>"
    disk = f"<disk type='network'><driver name='qemu' type='raw'/>{source}<target dev='hda' bus='ide'/></disk>"
    about = f"<name>{name}</name><uuid>{uuid}</uuid><memory unit='MiB'>16</memory>"
    system = "<os><type arch='x86_64' machine='pc'>hvm</type><boot dev='hd'/></os><features><acpi/></features>"
    return f"<domain type='qemu'>{about}{system}<devices>{disk}<memballoon model='none'/></devices></domain>"


KINDS: Final = {"guest-disk-errors": GuestDiskErrors}
