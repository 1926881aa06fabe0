"""Real QEMU guests on networks of a real host, all of it in a namespace: plugged in, served, and so after any crash."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.network.lives import UUID, link, servers, xml
from tests.integration.network.places import Place, need, run
from tests.waiting import until
from tierhost.drills.sweeping import sweep
from tierhost.host import launch
from tierhost.ipc.client import Client
from tierhost.ipc.errors import Code, TierhostError
from tierhost.ipc.paths import Root

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

PATIENCE_S = 20.0
MAC = "52:54:00:00:99:01"
NETWORK_ROMS = Path("/usr/lib/ipxe/qemu")


def guest_xml(name: str = "web", card: str = "", network: str = "lab") -> str:
    """The XML of a guest that boots from its network: its card's ROM asks for an address, as any guest would."""
    interface = card or (
        f"<interface type='network'><mac address='{MAC}'/><source network='{network}'/><model type='e1000'/></interface>"
    )
    return (
        f"<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory><os><type>hvm</type><boot dev='network'/></os>"
        f"<features><acpi/></features><devices>{interface}<memballoon model='none'/></devices></domain>"
    )


class Hosted:
    """A host in a namespace."""

    def __init__(self, folder: Path, place: Place) -> None:
        self.folder, self.place = folder, place
        self.root = Root.under(folder)
        self.hosts: list[launch.Running] = []

    def start(self) -> None:
        self.hosts.append(launch.start(self.root, self.folder))

    def call(self, method: str, *args: Any) -> Any:
        with Client(self.root, deadline_s=PATIENCE_S) as client:
            return client.call(method, *args)

    def kill(self, driver: str) -> None:
        """Kill a worker, and wait for its next life."""

        def row() -> dict[str, Any]:
            return next(found for found in client.host("status")["drivers"] if found["name"] == driver)

        with Client(self.root, deadline_s=PATIENCE_S) as client:
            before = row()
            os.kill(before["pid"], signal.SIGKILL)
            what = f"{driver} is ready in its next life"
            client.wait_until(lambda: row()["phase"] == "READY" and row()["incarnation"] > before["incarnation"], what)

    def clear(self) -> None:
        """Take everything away that a test may have left."""
        for row in self.call("qemu.domain_list"):
            self.call("qemu.domain_destroy" if row["id"] >= 0 else "qemu.domain_undefine", row["name"])
        until(lambda: self.ports() == [], "all ports are given back")
        for row in self.call("network.network_list"):
            if row["state"] == "active":
                self.call("network.network_destroy", row["name"])
            self.call("network.network_undefine", row["name"])

    def leases(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("network.network_get_dhcp_leases", "lab")
        return found

    def ports(self) -> list[str]:
        return [row["device"] for row in self.call("network.network_list_all_ports", "lab")]


@pytest.fixture(scope="module")
def host() -> Iterator[Hosted]:
    """One host for all tests, in a namespace of its own."""
    need("nft", "dnsmasq")
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("no QEMU is installed (Debian: qemu-system-x86)")
    folder = Path(tempfile.mkdtemp(prefix="thn", dir="/tmp"))
    made = Hosted(folder, Place())
    try:
        with made.place.entered():
            made.start()
        yield made
    finally:
        sweep(folder)
        for running in made.hosts:
            running.process.wait(PATIENCE_S)
        made.place.close()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def hosted(host: Hosted) -> Iterator[Hosted]:
    """The host with the network `lab` active on it, and nothing else; and so again after the test."""
    with host.place.entered():
        host.call("network.network_define_xml", xml())
        host.call("network.network_create", "lab")
        try:
            yield host
        finally:
            host.clear()


def test_a_guest_gets_its_address_and_keeps_it_whoever_is_killed(hosted: Hosted) -> None:
    if not (NETWORK_ROMS / "pxe-e1000.rom").exists():
        pytest.skip("the package ipxe-qemu is not installed")
    hosted.call("qemu.domain_define_xml", guest_xml())
    hosted.call("qemu.domain_create", "web")
    (device,) = hosted.ports()
    assert f'dev="{device}"' in hosted.call("qemu.domain_get_xml_desc", "web").replace("'", '"')
    until(lambda: [lease["mac"] for lease in hosted.leases()] == [MAC], "the guest has an address")
    with pytest.raises(TierhostError, match="guests are plugged in: web") as refused:
        hosted.call("network.network_destroy", "lab")
    assert refused.value.code is Code.RESOURCE_BUSY
    before = (hosted.leases(), servers(hosted.place), link(device), hosted.call("qemu.domain_lookup_by_name", "web")["pid"])
    for driver in ("network", "qemu"):
        hosted.kill(driver)
    assert (
        hosted.leases(),
        servers(hosted.place),
        link(device),
        hosted.call("qemu.domain_lookup_by_name", "web")["pid"],
    ) == before
    hosted.call("qemu.domain_destroy", "web")
    assert hosted.ports() == []
    assert link(device) is None


def test_a_guest_that_ended_while_nobody_watched_gives_its_port_back(hosted: Hosted) -> None:
    hosted.call("qemu.domain_create_xml", guest_xml())
    (device,) = hosted.ports()
    pid = hosted.call("qemu.domain_lookup_by_name", "web")["pid"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: hosted.ports() == [], "the port is given back")
    assert link(device) is None
    hosted.call("qemu.domain_create_xml", guest_xml())
    hosted.kill("network")
    with Client(hosted.root, deadline_s=PATIENCE_S) as client:
        rows = {row["name"]: row["pid"] for row in client.host("status")["drivers"]}
        # Stopped, the driver sees nothing; killed, its next life finds the guest gone.
        os.kill(rows["qemu"], signal.SIGSTOP)
        os.kill(client.call("network.network_list_all_ports", "lab") and _qemu_of(hosted.place), signal.SIGKILL)
        os.kill(rows["qemu"], signal.SIGKILL)
    until(lambda: hosted.ports() == [], "the port is given back by the next life")


def _qemu_of(place: Place) -> int:
    return next(pid for pid in place.processes() if b"qemu-system" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0])


def test_a_guest_on_a_network_that_is_not_active_does_not_start_and_leaves_nothing(hosted: Hosted) -> None:
    hosted.call("network.network_define_xml", "<network><name>off</name><bridge name='thbr7'/></network>")
    for network, words in (("off", "not active"), ("none", "no network")):
        with pytest.raises(TierhostError, match=rf"guest web card {MAC}.*{words}"):
            hosted.call("qemu.domain_create_xml", guest_xml(network=network))
    assert hosted.call("qemu.domain_list") == []
    two = guest_xml().replace("</devices>", "<interface type='network'><source network='off'/></interface></devices>")
    with pytest.raises(TierhostError, match="not active"):
        hosted.call("qemu.domain_create_xml", two)
    until(lambda: hosted.ports() == [], "the first card's port is given back")
    assert "vnet" not in run("ip", "-o", "link").stdout
    assert UUID in hosted.call("network.network_get_xml_desc", "lab")


DEAF = "<filter name='deaf'><rule action='drop' direction='inout' priority='500'/></filter>"


def frames(device: str) -> int:
    """How many frames a device has received: a tap those of its guest, a bridge those that passed its ports to the host."""
    shown = json.loads(run("ip", "-j", "-s", "link", "show", "dev", device).stdout)
    return int(shown[0]["stats64"]["rx"]["packets"])


def test_a_guest_is_filtered_from_its_first_frame_to_its_last_whoever_is_killed(hosted: Hosted) -> None:
    if not (NETWORK_ROMS / "pxe-e1000.rom").exists():
        pytest.skip("the package ipxe-qemu is not installed")
    hosted.call("nwfilter.nwfilter_define_xml", DEAF)
    xml_of = guest_xml().replace("</interface>", "<filterref filter='{}'/></interface>").format
    with pytest.raises(TierhostError, match=rf"guest web card {MAC}.*no-such-filter"):
        hosted.call("qemu.domain_create_xml", xml_of("no-such-filter"))
    until(lambda: hosted.ports() == [], "the port is given back")
    hosted.call("qemu.domain_create_xml", xml_of("deaf"))
    (device,) = hosted.ports()
    for driver in ("nwfilter", "network", "qemu"):
        hosted.kill(driver)
    until(lambda: frames(device) > 0, "the guest asks for an address")
    assert [row["port_dev"] for row in hosted.call("nwfilter.nwfilter_binding_list")] == [device]
    assert (frames("thbr0"), hosted.leases()) == (0, [])
    hosted.call("qemu.domain_destroy", "web")
    assert (hosted.ports(), hosted.call("nwfilter.nwfilter_binding_list")) == ([], [])
