"""Drive the network driver in-process, one life after the other, over bridges, rules and dnsmasq processes that are real."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.integration.network.places import run
from tests.waiting import until
from tierhost.workers.network.driver import NetworkDriver
from tierhost.workers.runtime.testing import FakeHost, LifeInTest, live

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.network.places import Place

UUID: Final = "7a1f0f9e-6f4e-4a63-9a1c-2f6d1d2f0b01"
DHCP: Final = "<dhcp><range start='192.168.150.10' end='192.168.150.50'/></dhcp>"


def xml(name: str = "lab", inside: str = DHCP, *, mode: str = "", bridge: str = "thbr0", uuid: str = UUID, more: str = "") -> str:
    forward = f"<forward mode='{mode}'/>" if mode else ""
    address = f"<ip address='192.168.150.1' netmask='255.255.255.0'>{inside}</ip>"
    made = f"<bridge name='{bridge}' stp='off' delay='0'/>"
    return f"<network><name>{name}</name><uuid>{uuid}</uuid>{forward}{made}{address}{more}</network>"


@dataclass
class Site:
    """The folders of one network driver, and the namespace it works in."""

    folder: Path
    place: Place
    host: FakeHost = field(default_factory=FakeHost)

    @contextlib.contextmanager
    def life(self, **surroundings: Any) -> Iterator[LifeInTest]:
        """Live once; at the end it is gone without a word, as in a crash: all but its vigil, which a crash would end."""
        self.host = FakeHost()
        with live(NetworkDriver, self.folder, host=self.host, **surroundings) as life:
            try:
                yield life
            finally:
                life.driver.state_cleanup()

    def act_later(self, life: LifeInTest) -> None:
        """Wait until something was put off, and let its time come."""
        until(lambda: self.host.put_off, "something is put off")
        life.run_later()


def link(name: str) -> dict[str, Any] | None:
    """A device as the kernel shows it, without its clocks."""
    done = run("ip", "-j", "-d", "addr", "show", "dev", name, check=False)
    if done.returncode != 0:
        return None
    found: dict[str, Any] = json.loads(done.stdout)[0]
    details = found.get("linkinfo", {}).get("info_data", {})
    for clock in [key for key in details if key.endswith("_timer")]:
        del details[clock]
    return found


def reboot(site: Site) -> None:
    """Take away what a reboot takes away."""
    for pid in servers(site.place):
        os.kill(pid, signal.SIGKILL)
    run("ip", "link", "del", "thbr0", check=False)
    run("nft", "flush", "ruleset")


def tables() -> list[str]:
    """Every filter table there is."""
    return [line.split()[-1] for line in run("nft", "list", "tables").stdout.splitlines()]


def servers(place: Place) -> list[int]:
    """Every dnsmasq in a namespace."""
    found = []
    for pid in place.processes():
        with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="ascii") as comm:  # noqa: PTH123
            if comm.read().strip() == "dnsmasq" and not _is_dead(pid):
                found.append(pid)
    return found


def _is_dead(pid: int) -> bool:
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:  # noqa: PTH123
        return stat.read().rpartition(")")[2].split()[0] in "ZX"
