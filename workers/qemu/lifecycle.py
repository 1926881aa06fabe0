"""Starting, stopping, pausing guests, and asking how they are."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tierhost.workers.qemu.definitions import Definitions
from tierhost.workers.qemu.domain_xml import from_xml
from tierhost.workers.qemu.launching import KILL_LIMIT_S
from tierhost.workers.qemu.monitor import MonitorSilent
from tierhost.workers.qemu.state import retry_s
from tierhost.workers.runtime.contract import Code, DriverError, TierhostError, change, read

if TYPE_CHECKING:
    from tierhost.workers.qemu.domain import Domain
    from tierhost.workers.qemu.guests import Guest

START_PAUSED = 1
AUTOSTART_ATTEMPTS_MAX = 400
"""With the cap of the wait between them, about an hour of trying: storage may be long in coming."""


class Lifecycle(Definitions):
    """The verbs a person uses on one guest."""

    @change()
    def domain_create(self, domain: str, flags: int = 0) -> str:
        """Start a defined guest (flag 1: paused), from its saved memory if there is some. Returns its name."""
        found = self._find(domain)
        if found.uuid in self._guests:
            reason = "domain is already running"
            raise DriverError(reason, code=Code.OPERATION_INVALID, subject=f"guest {found.name}")
        self._start_or_restore(self._domains[found.uuid], paused=bool(flags & START_PAUSED))
        return found.name

    @change()
    def domain_create_xml(self, xml: str, flags: int = 0) -> str:
        """Start a guest that is gone for good when it ends (flag 1: paused). Returns its name."""
        domain, _ = from_xml(xml)
        self._check_name(domain)
        self._start(domain, transient=domain.uuid not in self._domains, paused=bool(flags & START_PAUSED))
        return domain.name

    @change()
    def domain_destroy(self, domain: str) -> None:
        """End a guest at once, as if its power were cut. Works without its monitor, too."""
        found = self._find(domain)
        self._give_up_autostart(found)
        guest = self._running(domain)
        with self.context.jobs.changing(f"guest {guest.domain.uuid}"):
            guest.ending = "destroyed"
            if not guest.process.kill(time.monotonic() + KILL_LIMIT_S):
                reason = "the kernel does not let its process go"
                raise DriverError(reason, code=Code.OPERATION_TIMEOUT, subject=f"guest {guest.domain.name}", hint="is its storage hung?")
        self._ended(guest)

    def _give_up_autostart(self, domain: Domain) -> None:
        """Whoever ends a guest does not want it to be started again in a moment."""
        with self._lock:
            self._waiting.discard(domain.uuid)
        self.context.mend(f"guest {domain.name}")

    @change()
    def domain_shutdown(self, domain: str) -> None:
        """Press the power button; whether and when the guest obeys is its own affair (event stopped)."""
        guest = self._running(domain)
        self._monitors.execute(guest.domain.uuid, "system_powerdown")

    @change()
    def domain_reboot(self, domain: str) -> None:
        """Press the power button, and start the guest again when it is off."""
        guest = self._running(domain)
        guest.ending = "reboot"
        self._monitors.execute(guest.domain.uuid, "system_powerdown")

    @change()
    def domain_reset(self, domain: str) -> None:
        """Press the reset button."""
        self._monitors.execute(self._running(domain).domain.uuid, "system_reset")

    @change()
    def domain_suspend(self, domain: str) -> None:
        """Pause a guest."""
        guest = self._running(domain)
        with self.context.jobs.changing(f"guest {guest.domain.uuid}"):
            guest.paused_by_user = True
            self._record(guest)
            self._monitors.execute(guest.domain.uuid, "stop")
            guest.state, guest.reason = "paused", "user"

    @change()
    def domain_resume(self, domain: str) -> None:
        """Let a paused guest run on."""
        guest = self._running(domain)
        with self.context.jobs.changing(f"guest {guest.domain.uuid}"):
            self._monitors.execute(guest.domain.uuid, "cont")
            guest.paused_by_user = False
            self._record(guest)
            guest.state, guest.reason = "running", "unpaused"

    # How it is.

    @read()
    def domain_get_state(self, domain: str) -> dict[str, str]:
        """Say how the guest is and why, by asking its QEMU; a guest whose process is gone is never said to run."""
        found = self._find(domain)
        guest = self._guests.get(found.uuid)
        if guest is None:
            return {"state": "shutoff", "reason": "unknown"}
        state, reason = self._status(guest)
        return {"state": state, "reason": reason}

    @read()
    def domain_get_info(self, domain: str) -> dict[str, Any]:
        """State, memory, virtual CPUs, process."""
        found = self._find(domain)
        guest = self._guests.get(found.uuid)
        state = self.domain_get_state(domain)
        return {
            **state,
            "memory_kib": found.memory_kib,
            "vcpus": found.vcpus,
            "pid": guest.process.pid if guest else 0,
            "persistent": found.uuid in self._domains,
            "autostart": found.uuid in self._autostart,
        }

    @read()
    def domain_get_block_info(self, domain: str, disk: str) -> dict[str, Any]:
        """Capacity, allocation and I/O state of one disk of a running guest."""
        guest = self._running(domain)
        found = guest.domain.disk(disk)
        if found is None:
            reason = f"no disk with target {disk!s:.20}"
            raise DriverError(reason, code=Code.INVALID_ARG, subject=f"guest {guest.domain.name}")
        for block in self._monitors.execute(guest.domain.uuid, "query-block"):
            inserted = block.get("inserted") or {}
            if inserted.get("node-name") == found.alias:
                image = inserted["image"]
                return {
                    "capacity": image["virtual-size"],
                    "allocation": image.get("actual-size", 0),
                    "format": inserted["drv"],
                    "io_status": block.get("io-status", "ok"),
                    "readonly": inserted["ro"],
                }
        reason = "QEMU does not know the disk"
        raise DriverError(reason, code=Code.INTERNAL_ERROR, subject=f"guest {guest.domain.name} disk {disk}")

    # Autostart.

    def _try_autostart(self, domain: Domain, attempt: int) -> None:
        """Start a guest that is to run; what holds it up (a pool, a secret) may come later, so it is tried again."""
        with self._lock:
            if attempt == 0:
                self._waiting.add(domain.uuid)
            if domain.uuid not in self._waiting or domain.uuid in self._guests or domain.uuid not in self._domains:
                self._waiting.discard(domain.uuid)
                return
        try:
            self._start_or_restore(self._domains[domain.uuid])
        except TierhostError as error:
            self.context.degrade(f"guest {domain.name}", f"autostart waits: {error}")
            if attempt < AUTOSTART_ATTEMPTS_MAX:
                self.context.later(retry_s(attempt), lambda: self._try_autostart(domain, attempt + 1))
            return
        with self._lock:
            self._waiting.discard(domain.uuid)

    def _shut_down(self, guest: Guest, data: Any) -> None:
        if guest.ending == "reboot" and data.get("guest"):
            guest.ending = ""
            try:
                self._monitors.execute(guest.domain.uuid, "system_reset")
                self._monitors.execute(guest.domain.uuid, "cont")
            except MonitorSilent as error:
                self._degrade(guest, error.text)
            return
        super()._shut_down(guest, data)
