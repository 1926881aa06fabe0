"""The qemu driver with libvirt's habits: it ends a guest whose volume is not to be found at a restart, and tries a start once."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Final

from tierhost.ipc.errors import AccessDenied, DeadlineExceeded
from tierhost.workers.qemu.driver import QemuDriver
from tierhost.workers.qemu.supply import holder
from tierhost.workers.runtime import calling
from tierhost.workers.runtime.contract import InhibitCallback, InitResult, TierhostError

if TYPE_CHECKING:
    from tierhost.workers.qemu.roster import Guest

PATIENCE_S: Final = 0.05
"""libvirt's driver has none: nobody listens on the storage daemon's socket, and that is its answer."""


class BoldQemu(QemuDriver):
    """Relies on storage being there when it is initialized, as libvirt's driver does (qemuProcessReconnect)."""

    def state_initialize(self, *, privileged: bool, inhibit: InhibitCallback) -> InitResult:
        """Find the guests that run, and translate the volumes of each again, beside the verb, as libvirt does."""
        result = super().state_initialize(privileged=privileged, inhibit=inhibit)
        for guest in self.roster.all_running():
            self._translate_later(0.0, guest)
        return result

    def _translate_later(self, seconds: float, guest: Guest) -> None:
        self.context.later(seconds, lambda: self._translate(guest))

    def _translate(self, guest: Guest) -> None:
        """Ask where the guest's volumes are. A no is the guest's end; to be asked again later is no answer at all."""
        domain = self.roster.domains.get(guest.uuid)
        patience = calling.DEADLINE_S.set(time.monotonic() + PATIENCE_S)
        try:
            for pool, volume in domain.volumes if domain else ():
                self.context.services.storage.resolve_volume(pool, volume, holder(guest.uuid))
        except (AccessDenied, DeadlineExceeded):
            # Storage has not heard of this life of ours yet, or is slow to answer, which a local call could not be.
            self._translate_later(PATIENCE_S, guest)
        except TierhostError:
            os.kill(guest.process.pid, signal.SIGKILL)
        finally:
            calling.DEADLINE_S.reset(patience)

    def state_auto_start(self) -> None:
        """Try to start each guest that is marked for it, once."""
        for uuid in sorted(self.roster.autostart):
            domain = self.roster.domains.get(uuid)
            if domain is None or self.roster.is_running(uuid):
                continue
            try:
                self.saving.start_or_restore(domain)
            except TierhostError as error:
                self.context.degrade(domain.subject, f"autostart failed: {error}")
