"""Guests whose disks are images of a real Ceph cluster: the key comes from another driver, and is nowhere to be read."""

from __future__ import annotations

import base64
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.qemu.lives import BOOT_SECTOR, DISK_BYTES
from tests.waiting import until
from tierhost.workers.qemu.backend import Backend
from tierhost.workers.runtime.contract import DriverError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.ceph_cluster import Cluster
    from tests.integration.qemu.lives import Life, Site

BLOCK_MODULE = Path("/usr/lib/x86_64-linux-gnu/qemu/block-rbd.so")
GRACE_S = 5.0
USAGE = "client.libvirt secret"


@pytest.fixture
def image(site: Site, ceph: Cluster) -> Iterator[Site]:
    """A site with the cluster's key, and an image "web" that a guest boots from; images go when their guests are gone."""
    if not BLOCK_MODULE.exists():
        pytest.skip("QEMU has no rbd (Debian: qemu-block-extra)")
    site.secrets[USAGE] = ceph.keys["client.libvirt"]
    ceph.put("web", BOOT_SECTOR.read_bytes(), DISK_BYTES)
    yield site
    for found in Backend(site.run_dir).survey().values():
        found.process.signal(signal.SIGTERM)  # in good order: an image is kept for seconds by a guest that was killed
        found.process.is_gone(GRACE_S)
    ceph.clear()


def rbd_disk(ceph: Cluster, name: str = "web", target: str = "vda", usage: str = USAGE) -> str:
    auth = f"<auth type='ceph' username='libvirt'><secret usage='{usage}'/></auth>"
    source = f"<source protocol='rbd' name='rbd/{name}'><host name='{ceph.address}'/>{auth}</source>"
    return f"<disk type='network'>{source}<target dev='{target}'/></disk>"


def ticks(site: Site, name: str = "web") -> int:
    return site.console(name).count(".")


def wait_ticks(site: Site) -> None:
    """Wait until the guest has read and written its disk once more."""
    before = ticks(site)
    until(lambda: ticks(site) > before, "the guest reads and writes")


def test_a_guest_runs_on_an_image_outlives_its_driver_and_its_key_is_nowhere_to_be_read(image: Site, ceph: Cluster) -> None:
    life = image.live()
    life.driver.domain_create_xml(image.guest(disk=rbd_disk(ceph)))
    image.wait_up("web")
    wait_ticks(image)
    process = Path(f"/proc/{life.pid('web')}")
    raw = ceph.keys["client.libvirt"]
    written = b"".join(path.read_bytes() for path in image.folder.rglob("*") if path.is_file())
    for text in ((process / "cmdline").read_bytes(), (process / "environ").read_bytes(), written):
        assert raw not in text
        assert base64.b64encode(raw) not in text
    pid = life.pid("web")
    life = image.live()
    assert life.pid("web") == pid
    wait_ticks(image)
    assert "R" not in image.console("web").partition("GUEST-UP")[2]


def test_a_guest_runs_on_a_volume_of_a_pool_that_says_how_it_is_reached(image: Site, ceph: Cluster, life: Life) -> None:
    auth = {"type": "ceph", "username": "libvirt", "secret_uuid": "", "secret_usage": USAGE}
    hosts = [{"name": ceph.address, "port": 0}]
    connection = {"type": "network", "protocol": "rbd", "name": "rbd/web", "hosts": hosts, "auth": auth}
    image.volumes["vault", "web"] = {"path": "rbd/web", "format": "raw", "encryption": None, "connection": connection}
    disk = "<disk type='volume'><source pool='vault' volume='web'/><target dev='vda'/></disk>"
    life.driver.domain_create_xml(image.guest(disk=disk))
    image.wait_up("web")


def test_a_guest_waits_for_an_osd_that_hangs_and_goes_on_without_an_error(image: Site, ceph: Cluster, life: Life) -> None:
    life.driver.domain_create_xml(image.guest(disk=rbd_disk(ceph)))
    image.wait_up("web")
    wait_ticks(image)
    with ceph.stopped("osd"):
        assert life.state("web") == "running"  # answered at once: the monitor is not what waits
    wait_ticks(image)
    assert not set("RW") & set(image.console("web").partition("GUEST-UP")[2])


def test_a_wrong_key_keeps_the_guest_from_starting_and_says_so(image: Site, ceph: Cluster, life: Life) -> None:
    image.secrets["another's"] = ceph.keys["client.none"]
    with pytest.raises(DriverError, match="Permission denied"):
        life.driver.domain_create_xml(image.guest(disk=rbd_disk(ceph, usage="another&apos;s")))
    assert image.processes() == {}


def test_an_image_is_plugged_into_a_running_guest(image: Site, ceph: Cluster, life: Life) -> None:
    life.driver.domain_create_xml(image.guest(disk=rbd_disk(ceph)))
    image.wait_up("web")
    ceph.put("more", b"", DISK_BYTES)
    life.driver.domain_attach_device("web", rbd_disk(ceph, "more", "vdb"))
    assert "vdb" in life.driver.domain_get_xml_desc("web")
    info = life.driver.domain_get_block_info("web", "vdb")
    assert info["capacity"] == DISK_BYTES
