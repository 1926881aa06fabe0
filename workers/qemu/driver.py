"""The qemu driver: libvirt's verbs; its methods are in defining, running, devices and asking."""

from __future__ import annotations

from typing import Final

from tierhost.workers.qemu.asking import Questions
from tierhost.workers.qemu.backend import is_installed
from tierhost.workers.qemu.defining import Definitions
from tierhost.workers.qemu.devices import Devices
from tierhost.workers.qemu.forgetting import settle_removals
from tierhost.workers.qemu.lanes import side_by_side
from tierhost.workers.qemu.roster import RUNNING_STATES
from tierhost.workers.qemu.running import Running
from tierhost.workers.runtime.contract import InhibitCallback, InitResult, TierhostError

SAVE_ALL_LIMIT_S: Final = 175.0
"""A little less than the verb may take, so that what was not saved is told."""


class QemuDriver(Definitions, Running, Devices, Questions):
    """Runs guests with QEMU. They are nobody's children: they outlive this driver, and it finds them again."""

    def state_initialize(self, *, privileged: bool, inhibit: InhibitCallback) -> InitResult:
        """Load definitions, then find every guest that runs. No other driver is asked: guests come first."""
        self.make_parts(inhibit)
        if not is_installed() and not self.backend.survey():
            return self.skip("no QEMU is installed: install the package qemu-system-x86")
        self.roster.load()
        settle_removals(self.roster, self.saving)
        self.stock.take()
        self.supply.tell_storage()
        self.cables.give_back_all()
        self.autostart.go_on()
        return InitResult.COMPLETE

    def state_auto_start(self) -> None:
        """Start what is to run after a boot, a few at a time. What cannot start yet is tried again."""
        self.autostart.start_all()

    def state_reload(self) -> None:
        """Read the definitions again; guests that run stay as they are."""
        self.roster.load()

    def state_stop(self) -> None:
        """The machine goes down: save every guest's memory, for the next boot to bring back."""
        guests = {guest.uuid: guest for guest in self.roster.all_running() if guest.uuid in self.roster.domains}

        def save(uuid: str) -> None:
            try:
                self.saving.save_managed(guests[uuid])
            except TierhostError as error:
                self.roster.degrade(guests[uuid], f"could not be saved: {error}")

        side_by_side(self.context, guests, save, SAVE_ALL_LIMIT_S)

    def state_cleanup(self) -> None:
        """Let go of the monitors. Guests run on."""
        monitors, self.monitors = self.monitors, None
        if monitors is not None:
            monitors.close()

    def objects(self) -> dict[str, dict[str, int]]:
        """Count guests by state."""
        counts = dict.fromkeys(RUNNING_STATES, 0)
        for domain, _guest in self.roster.everybody():
            state = self.roster.condition(domain.uuid).state
            counts[state] = counts.get(state, 0) + 1
        return {"guests": counts}
