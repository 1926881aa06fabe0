"""What the driver's groups of methods share: the parts that initialize makes, and who hears what guests do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.qemu.autostart import Autostart
from tierhost.workers.qemu.backend import Backend
from tierhost.workers.qemu.cables import Cables
from tierhost.workers.qemu.contact import Contact
from tierhost.workers.qemu.ending import Ending
from tierhost.workers.qemu.io_errors import IoErrors
from tierhost.workers.qemu.keys import Passwords
from tierhost.workers.qemu.monitor import Monitors
from tierhost.workers.qemu.plugging import Plugging
from tierhost.workers.qemu.roster import Roster
from tierhost.workers.qemu.saving import Saving
from tierhost.workers.qemu.starting import Starting
from tierhost.workers.qemu.stock import Stock
from tierhost.workers.qemu.supply import Supply
from tierhost.workers.qemu.tending import Tending
from tierhost.workers.runtime.contract import Code, DriverError, StateDriver

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.workers.qemu.roster import Guest
    from tierhost.workers.runtime.contract import InhibitCallback

KEY_FILE: Final = "vnc.key"


class QemuBase(StateDriver):
    """Has the parts, and nothing to call."""

    roster: Roster
    backend: Backend
    monitors: Monitors | None = None
    supply: Supply
    cables: Cables
    starting: Starting
    ending: Ending
    contact: Contact
    tending: Tending
    saving: Saving
    plugging: Plugging
    autostart: Autostart
    stock: Stock

    def make_parts(self, inhibit: InhibitCallback) -> None:
        """Make every part anew; nothing is looked at yet."""
        context = self.context
        roster = self.roster = Roster(context, Passwords(context.state_dir / KEY_FILE), inhibit)
        backend = self.backend = Backend(context.run_dir)
        monitors = self.monitors = Monitors(backend.connect, self)
        self.supply = Supply(roster)
        self.cables = Cables(roster)
        self.tending = Tending(roster, monitors, IoErrors(roster, monitors))
        self.contact = Contact(roster, monitors, self._answered)
        self.ending = Ending(roster, backend, monitors, self.supply, self.cables)
        self.starting = Starting(roster, backend, monitors, self.supply, self.cables, self.tending, self.contact, self.ending)
        self.saving = Saving(roster, monitors, self.starting, self.ending)
        self.plugging = Plugging(roster, monitors, self.supply)
        self.autostart = Autostart(roster, self.saving)
        self.stock = Stock(roster, backend, monitors, self.contact, self.tending, self.saving, self.plugging, self.ending)

    def _answered(self, guest: Guest) -> None:
        self.stock.answered(guest)

    # What guests do by themselves; called in the monitors' thread.

    def heard(self, uuid: str, kind: str, data: Mapping[str, Any]) -> None:
        """One of QEMU's events."""
        self.tending.heard(uuid, kind, data)
        self.plugging.heard(uuid, kind, data)

    def lost(self, uuid: str) -> None:
        """A connection to a monitor broke."""
        self.contact.lost(uuid)

    def died(self, uuid: str) -> None:
        """A guest's process has ended."""
        guest = self.roster.guests.get(uuid)
        if guest is not None:
            self.ending.ended_soon(guest)

    def execute(self, uuid: str, command: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """Run one QMP command. Raises MonitorSilent or MonitorRefused."""
        assert self.monitors is not None
        return self.monitors.execute(uuid, command, arguments)


def check_text(text: object, what: str) -> str:
    """Refuse what is not text. Raises INVALID_ARG."""
    if not isinstance(text, str):
        raise DriverError(f"{what} is a {type(text).__name__}, expected text", code=Code.INVALID_ARG)
    return text
