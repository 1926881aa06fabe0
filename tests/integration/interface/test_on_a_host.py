"""The three drivers of devices on a real host in a network of its own: their deaths stop no packet, and nobody else notices."""

from __future__ import annotations

import os
import signal
import socket
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.integration.host.conftest import Site, site
from tests.integration.interface.conftest import bridge, static
from tests.integration.nodedev_hal.conftest import PrivateBus, bus, hal
from tests.namespaces import enter_new, ip, need_namespaces, private_network
from tests.waiting import until
from tierhost.host import catalog
from tierhost.host.config import Config
from tierhost.ipc.errors import TierhostError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["bus", "hal", "site"]

OURS = ("interface", "nodedev-hal", "nodedev-udev")
PORT = 7
LOST_S = 2.0
ROUNDS_MIN = 20


class Traffic:
    """Somebody in another network, who sends through the bridge and counts what comes back."""

    def __init__(self) -> None:
        self.rounds, self.lost = 0, 0
        self._over = threading.Event()
        self._there = threading.Event()
        self._wired = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread_id = 0

    def start(self, card: str) -> None:
        """Move a card over to them, and let them begin."""
        self._thread.start()
        assert self._there.wait(5.0)
        ip("link", "set", card, "netns", str(self._thread_id))
        self._wired.set()

    def _run(self) -> None:
        enter_new()
        self._thread_id = threading.get_native_id()
        self._there.set()
        assert self._wired.wait(5.0)
        ip("addr", "add", "10.9.0.2/24", "dev", "p1")
        ip("link", "set", "p1", "up")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.settimeout(LOST_S)
            sender.connect(("10.9.0.1", PORT))
            while not self._over.is_set():
                number = str(self.rounds).encode()
                try:
                    sender.send(number)
                    assert sender.recv(64) == number
                except OSError:
                    self.lost += 1
                self.rounds += 1

    def pass_rounds(self, what: str) -> None:
        """Wait until some more have come back."""
        goal = self.rounds + ROUNDS_MIN
        until(lambda: self.rounds >= goal, f"traffic goes on {what}")

    def end(self) -> None:
        self._over.set()
        self._thread.join(5.0)


def _echo(here: socket.socket) -> None:
    while True:
        try:
            words, sender = here.recvfrom(64)
            here.sendto(words, sender)
        except OSError:
            return


@pytest.fixture
def network() -> Iterator[None]:
    need_namespaces()
    with private_network():
        ip("link", "add", "p0", "type", "veth", "peer", "name", "p1")
        yield


@pytest.mark.slow
def test_no_death_stops_a_packet_and_each_next_life_knows_what_is_active(network: None, site: Site, hal: PrivateBus) -> None:
    others = [name for name in catalog.read(Config()).drivers if name not in OURS]
    lines = [f"[drivers.{name}]\nenabled = false\n" for name in others]
    (site.folder / "config.toml").write_text(
        "".join(lines) + f"[drivers.nodedev-hal.options]\nbus_address = '{hal.address}'\nowner = true\n"
    )
    site.start(options=("--config", str(site.folder / "config.toml")))
    lives = {name: site.wait_phase(name, "READY") for name in OURS}
    with site.client() as client, closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as here:
        client.call("interface.interface_define_xml", bridge("br0", "p0", inside=static("10.9.0.1")))
        client.call("interface.interface_create", "br0")
        here.bind(("10.9.0.1", PORT))
        threading.Thread(target=_echo, args=(here,), daemon=True).start()
        traffic = Traffic()
        traffic.start("p1")
        traffic.pass_rounds("at first")
        traffic.lost = 0  # before the cards knew each other
        for name in OURS:
            os.kill(lives[name]["pid"], signal.SIGKILL)
        assert client.call("interface.interface_is_active", "br0", changes=False) is True
        assert client.call("nodedev-udev.node_list_devices", "system", changes=False) == ["computer"]
        traffic.pass_rounds("after every worker was killed")
        assert "net_00_11_22_33_44_55" in client.call("nodedev-hal.node_list_devices", "", changes=False)
        hal.end(hal.daemon)
        until(lambda: "HAL" in site.driver("nodedev-hal")["degraded"], "the death of the bus is told")
        with pytest.raises(TierhostError, match="HAL does not answer"):
            client.call("nodedev-hal.node_list_devices", "", changes=False)
        assert client.call("nodedev-udev.node_list_devices", "system", changes=False) == ["computer"]
        assert site.driver("nodedev-udev")["degraded"] == {}
        hal.start_daemon()
        hal.start_peer()
        until(lambda: not site.driver("nodedev-hal")["degraded"], "its return is noticed")
        traffic.end()
        assert traffic.lost == 0
        client.call("interface.interface_destroy", "br0")
