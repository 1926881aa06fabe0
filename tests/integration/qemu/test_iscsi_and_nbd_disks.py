"""Guests whose disks are units of a real iSCSI target, with CHAP, or exports of a real NBD server."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.qemu.lives import BOOT_SECTOR, DISK_BYTES
from tests.iscsi_target import CHAP, INITIATOR, PORT, UNIT_BYTES, USER
from tests.waiting import until
from tierhost.workers.runtime.contract import DriverError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.qemu.lives import Life, Site
    from tests.iscsi_target import Target

BLOCK_MODULE = Path("/usr/lib/x86_64-linux-gnu/qemu/block-iscsi.so")
USAGE = "the target's"
LIMIT_S = 10.0


@pytest.fixture
def unit(site: Site, iscsi: Target) -> Site:
    """A site with the target's password; a guest boots from unit 1."""
    if not BLOCK_MODULE.exists():
        pytest.skip("QEMU has no iSCSI (Debian: qemu-block-extra)")
    site.secrets.update({USAGE: iscsi.password, "wrong": b"wrongwrongwrong"})
    iscsi.image(CHAP, 1).write_bytes(BOOT_SECTOR.read_bytes().ljust(UNIT_BYTES, b"\0"))
    return site


@pytest.fixture
def export(site: Site) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """An NBD server on a socket, with one export that a guest boots from."""
    if shutil.which("nbdkit") is None:
        pytest.skip("no NBD server to test with (Debian: nbdkit)")
    image, socket = site.folder / "export.img", site.folder / "nbd.sock"
    image.write_bytes(BOOT_SECTOR.read_bytes().ljust(DISK_BYTES, b"\0"))
    command = ["setpriv", "--pdeathsig", "KILL", "--", "nbdkit", "-f", "-U", str(socket), "file", str(image)]
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(socket.exists, "the NBD server listens")
        yield socket, server
    finally:
        server.kill()
        server.wait(LIMIT_S)


def iscsi_disk(iscsi: Target, number: int = 1, dev: str = "vda", usage: str = USAGE) -> str:
    auth = f'<auth type="chap" username="{USER}"><secret usage="{usage}"/></auth>'
    who = f"<initiator><iqn name='{INITIATOR}'/></initiator>"
    source = f"<source protocol='iscsi' name='{CHAP}/{number}'><host name='{iscsi.address}'/>{who}{auth}</source>"
    return f"<disk type='network'>{source}<target dev='{dev}'/></disk>"


def nbd_disk(socket: Path, dev: str = "vda") -> str:
    source = f"<source protocol='nbd'><host transport='unix' socket='{socket}'/></source>"
    return f"<disk type='network'>{source}<target dev='{dev}'/></disk>"


def wait_ticks(site: Site) -> None:
    """Wait until the guest has read and written its disk once more."""
    before = site.console("web").count(".")
    until(lambda: site.console("web").count(".") > before, "the guest reads and writes")


def has_errors(site: Site) -> bool:
    return bool(set("RW") & set(site.console("web").partition("GUEST-UP")[2]))


def test_a_guest_runs_on_a_unit_outlives_its_driver_and_the_password_is_nowhere_to_be_read(unit: Site, iscsi: Target) -> None:
    life = unit.live()
    life.driver.domain_create_xml(unit.guest(disk=iscsi_disk(iscsi)))
    unit.wait_up("web")
    wait_ticks(unit)
    pid = life.pid("web")
    written = b"".join(path.read_bytes() for path in unit.folder.rglob("*") if path.is_file())
    for text in (Path(f"/proc/{pid}/cmdline").read_bytes(), Path(f"/proc/{pid}/environ").read_bytes(), written):
        assert iscsi.password not in text
    life = unit.live()
    assert life.pid("web") == pid
    wait_ticks(unit)
    assert not has_errors(unit)


def test_a_guest_runs_on_a_volume_of_an_iscsi_direct_pool(unit: Site, iscsi: Target, life: Life) -> None:
    connection = {
        "type": "network",
        "protocol": "iscsi",
        "name": f"{CHAP}/1",
        "hosts": [{"name": iscsi.address, "port": PORT}],
        "auth": {"type": "chap", "username": USER, "secret_uuid": "", "secret_usage": USAGE},
        "initiator": INITIATOR,
    }
    unit.volumes["san", "unit:0:0:1"] = {"path": "-", "format": "raw", "encryption": None, "connection": connection}
    disk = "<disk type='volume'><source pool='san' volume='unit:0:0:1'/><target dev='vda'/></disk>"
    life.driver.domain_create_xml(unit.guest(disk=disk))
    unit.wait_up("web")


def test_a_guest_waits_for_a_target_that_was_killed_and_goes_on_without_an_error(unit: Site, iscsi: Target, life: Life) -> None:
    life.driver.domain_create_xml(unit.guest(disk=iscsi_disk(iscsi)))
    unit.wait_up("web")
    wait_ticks(unit)
    iscsi.end()
    assert life.state("web") == "running"  # answered at once: the monitor is not what waits
    iscsi.start()
    wait_ticks(unit)
    assert not has_errors(unit)


def test_a_wrong_password_keeps_the_guest_from_starting_and_says_so(unit: Site, iscsi: Target, life: Life) -> None:
    with pytest.raises(DriverError, match="Authentication failure"):
        life.driver.domain_create_xml(unit.guest(disk=iscsi_disk(iscsi, usage="wrong")))
    assert unit.processes() == {}


def test_a_unit_is_plugged_into_a_running_guest(unit: Site, iscsi: Target, life: Life) -> None:
    life.driver.domain_create_xml(unit.guest(disk=iscsi_disk(iscsi)))
    unit.wait_up("web")
    life.driver.domain_attach_device("web", iscsi_disk(iscsi, 2, "vdb"))
    assert life.driver.domain_get_block_info("web", "vdb")["capacity"] == UNIT_BYTES


def test_a_guest_runs_on_an_export_and_its_server_may_hang(
    site: Site, life: Life, export: tuple[Path, subprocess.Popen[bytes]]
) -> None:
    socket, server = export
    life.driver.domain_create_xml(site.guest(disk=nbd_disk(socket)))
    site.wait_up("web")
    wait_ticks(site)
    server.send_signal(signal.SIGSTOP)
    try:
        assert life.state("web") == "running"
    finally:
        server.send_signal(signal.SIGCONT)
    wait_ticks(site)
    assert not has_errors(site)


def test_a_server_that_dies_is_an_io_error_of_the_disk(
    site: Site, life: Life, export: tuple[Path, subprocess.Popen[bytes]]
) -> None:
    socket, server = export
    life.driver.domain_create_xml(site.guest(disk=nbd_disk(socket)))
    site.wait_up("web")
    server.kill()
    server.wait(LIMIT_S)
    until(lambda: any("error" in kind for kind, _, _ in life.events) or has_errors(site), "somebody is told")


def test_a_server_that_is_not_there_keeps_the_guest_from_starting(site: Site, life: Life) -> None:
    with pytest.raises(DriverError, match=r"nbd\.sock"):
        life.driver.domain_create_xml(site.guest(disk=nbd_disk(site.folder / "nbd.sock")))
    assert site.processes() == {}
