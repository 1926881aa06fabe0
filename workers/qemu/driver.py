"""The qemu driver's verbs; its methods are in lifecycle, definitions, devices and saving."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor

from tierhost.workers.qemu.guests import Guest
from tierhost.workers.qemu.lifecycle import Lifecycle
from tierhost.workers.qemu.monitor import Monitors
from tierhost.workers.runtime.contract import InhibitCallback, InitResult, TierhostError

EMULATOR = "qemu-system-x86_64"
AT_ONCE_MAX = 4
"""Guests that are started or saved side by side."""


class QemuDriver(Lifecycle):
    """Runs guests with QEMU. They are nobody's children: they outlive this driver, and it finds them again."""

    def state_initialize(self, *, privileged: bool, inhibit: InhibitCallback) -> InitResult:
        """Load definitions, then find every guest that runs. Neither storage nor secrets are asked: guests come first."""
        self._inhibit = inhibit
        self._emulator = shutil.which(EMULATOR) or ""
        if not self._emulator:
            return self.skip(f"{EMULATOR} is not installed: install the package qemu-system-x86")
        self._monitors = Monitors(self._on_event, self._on_death)
        self._load_definitions()
        self._take_stock()
        self._drop_stale_images()
        self.context.later(0.0, self._hold_volumes)
        return InitResult.COMPLETE

    def state_auto_start(self) -> None:
        """Start what is to run after a boot, a few at a time. What cannot start yet is tried again."""
        with self._lock:
            domains = [domain for uuid, domain in self._domains.items() if uuid in self._autostart]
        with ThreadPoolExecutor(AT_ONCE_MAX, thread_name_prefix="autostart") as starters:
            list(starters.map(lambda domain: self._try_autostart(domain, 0), domains))

    def state_reload(self) -> None:
        """Read the definitions again; guests that run stay as they are."""
        self._load_definitions()

    def state_stop(self) -> None:
        """The machine goes down: save every guest's memory, for the next boot to bring back."""
        with self._lock:
            guests = list(self._guests.values())
        with ThreadPoolExecutor(AT_ONCE_MAX, thread_name_prefix="save") as savers:
            list(savers.map(self._save_for_boot, guests))

    def _save_for_boot(self, guest: Guest) -> None:
        try:
            if not guest.transient:
                self._save(guest, self._save_path(guest.domain.uuid))
        except TierhostError as error:
            self._degrade(guest, f"could not be saved: {error}")

    def state_cleanup(self) -> None:
        """Let go of the monitors. Guests run on."""
        if self._emulator and hasattr(self, "_monitors"):
            self._monitors.close()
