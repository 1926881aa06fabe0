"""Fakes beside the network and nwfilter drivers: real taps in the namespace we are in, and a file for each that is filtered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.namespaces import ip
from tierhost.workers.runtime.contract import PeerAbsent

if TYPE_CHECKING:
    from pathlib import Path

    from tierhost.workers.runtime.jobs import Jobs


@dataclass
class FakeNetwork:
    """Stands in for the network driver: one tap for each card, in the namespace we are in, and no bridge; it can be down."""

    jobs: Jobs
    down: bool = False

    def _check(self) -> None:
        assert not self.jobs.held(), "a lock is held across a call to another worker"
        if self.down:
            raise PeerAbsent("it is down", subject="driver network")

    def create_port(self, network: str, owner: str, mac: str, owner_name: str = "") -> dict[str, Any]:
        self._check()
        device = f"tap{mac.replace(':', '')[-6:]}"
        if device not in taps():
            ip("tuntap", "add", "name", device, "mode", "tap", "vnet_hdr")
        return {"port": owner, "device": device, "bridge": "", "network": network, "mtu": 0}

    def release_ports(self, owner: str) -> dict[str, Any]:
        self._check()
        gone = taps()
        for device in gone:
            ip("link", "del", "dev", device)
        return {"released": gone}


@dataclass
class FakeFilter:
    """Stands in for the nwfilter driver: a file for each port that is filtered."""

    jobs: Jobs
    folder: Path

    def bind(self, port_dev: str, mac: str, name: str, parameters: dict[str, Any], owner: str, owner_name: str) -> None:
        assert not self.jobs.held(), "a lock is held across a call to another worker"
        (self.folder / f"{port_dev}.filter").touch()

    def unbind(self, port_dev: str, owner: str) -> None:
        assert not self.jobs.held(), "a lock is held across a call to another worker"
        assert port_dev in taps(), "a port is filtered as long as it is there"
        (self.folder / f"{port_dev}.filter").unlink(missing_ok=True)


def taps() -> list[str]:
    """Every tap of the namespace we are in."""
    return [line.split(": ")[1] for line in ip("-o", "link", "show", "type", "tun").splitlines()]
