"""Disks that are given to guests and taken from them: to the running guest, its definition, or both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tierhost.workers.qemu.base import QemuBase, check_text
from tierhost.workers.qemu.disk_xml import disk_from_text
from tierhost.workers.runtime.arguments import check_flags
from tierhost.workers.runtime.contract import Code, DriverError, change

if TYPE_CHECKING:
    from tierhost.workers.qemu.domain import Domain

AFFECT_LIVE: Final = 1
AFFECT_CONFIG: Final = 2


class Devices(QemuBase):
    """Hot-plug and unplug (flags as libvirt's: 1 live, 2 config, 0 whatever the guest is now)."""

    @change()
    def domain_attach_device(self, domain: str, xml: str) -> None:
        """Add a disk to the running guest."""
        self.domain_attach_device_flags(domain, xml, AFFECT_LIVE)

    @change()
    def domain_detach_device(self, domain: str, xml: str) -> None:
        """Take a disk from the running guest."""
        self.domain_detach_device_flags(domain, xml, AFFECT_LIVE)

    @change()
    def domain_attach_device_flags(self, domain: str, xml: str, flags: int = 0) -> None:
        """Add a disk to the running guest, to its definition, or to both."""
        disk, _ = disk_from_text(check_text(xml, "the device"))
        found = self.roster.find(domain)
        live, config = self._scope(found, flags)
        if config:
            self._check_free(self.roster.domains[found.uuid], disk.target)
        if live:
            self.plugging.plug(self.roster.running(found.uuid), xml, define=config)
            return
        with self.roster.changing(found.uuid):
            self.plugging.redefine(self.roster.domains[found.uuid], add=xml, answer=True)

    @change()
    def domain_detach_device_flags(self, domain: str, xml: str, flags: int = 0) -> None:
        """Remove a disk. From a running guest it goes when the guest lets go of it (event device-removed)."""
        disk, _ = disk_from_text(check_text(xml, "the device"))
        found = self.roster.find(domain)
        live, config = self._scope(found, flags)
        if config:
            with self.roster.changing(found.uuid):
                self.plugging.redefine(self.roster.domains[found.uuid], remove=disk.target, answer=not live)
        if live:
            self.plugging.unplug(self.roster.running(found.uuid), disk.target)
        self.supply.wait_heard()

    def _scope(self, domain: Domain, flags: int) -> tuple[bool, bool]:
        check_flags(flags, AFFECT_LIVE | AFFECT_CONFIG)
        running, defined = self.roster.is_running(domain.uuid), domain.uuid in self.roster.domains
        live = bool(flags & AFFECT_LIVE) or (flags == 0 and running)
        config = bool(flags & AFFECT_CONFIG) or (flags == 0 and not running)
        if live and not running:
            raise DriverError("domain is not running", code=Code.OPERATION_INVALID, subject=domain.subject)
        if config and not defined:
            raise DriverError(
                "a transient guest has no definition to change", code=Code.OPERATION_INVALID, subject=domain.subject
            )
        return live, config

    @staticmethod
    def _check_free(domain: Domain, target: str) -> None:
        if domain.disk(target) is not None:
            raise DriverError(
                f"target {target} already exists in its definition", code=Code.OPERATION_INVALID, subject=domain.subject
            )
