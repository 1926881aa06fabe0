"""The circle of the 2014 proposal, closed: a storage pool needs a key from the secret driver of its own tier, on a whole host."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.qemu.lives import BOOT_SECTOR
from tests.integration.whole.conftest import PATIENCE_S, Whole
from tests.waiting import until
from tierhost.drills.demo import kill_and_wait
from tierhost.drills.example_site import EXAMPLES, ExampleSite, ability
from tierhost.drills.sweeping import sweep
from tierhost.ipc.errors import TierhostError
from tierhost.workers.runtime import detached

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.ceph_cluster import Cluster
    from tierhost.ipc.client import Client

pytestmark = pytest.mark.slow

BLOCK_MODULE = Path("/usr/lib/x86_64-linux-gnu/qemu/block-rbd.so")
ONCE = 0.2


@pytest.fixture
def shop(ceph: Cluster) -> Iterator[Whole]:
    """A host with the cluster's key, an active pool that is not marked for autostart, and a guest on an image of it."""
    can = ability()
    if not can.guests or not BLOCK_MODULE.exists():
        pytest.skip("no guests on rbd (Debian: qemu-system-x86, qemu-block-extra)")
    folder = Path(tempfile.mkdtemp(prefix="thw", dir="/tmp"))
    made = Whole(folder, ExampleSite(folder / "site", can))
    try:
        made.start()
        with made.client() as client:
            set_up(client, ceph)
        made.guests = made.running()
        yield made
    finally:
        for pid in made.guests.values():
            end_in_order(pid)
        sweep(folder)
        for host in made.hosts:
            host.process.wait(PATIENCE_S)
        shutil.rmtree(folder, ignore_errors=True)
        ceph.clear()


def end_in_order(guest: int) -> None:
    """A guest that is killed keeps its image for seconds: until the cluster has noticed."""
    found = detached.find(guest, detached.start_time(guest))
    if found is not None:
        found.signal(signal.SIGTERM)
        found.is_gone(PATIENCE_S)


def example(name: str) -> str:
    return (EXAMPLES / "site" / name).read_text()


def set_up(client: Client, ceph: Cluster) -> None:
    uuid = client.call("secret.secret_define_xml", example("secrets/ceph.xml"))["uuid"]
    client.call("secret.secret_set_value", uuid, ceph.keys["client.libvirt"])
    client.call("storage.storage_pool_define_xml", example("pools/ceph.xml").replace("@MONITOR@", ceph.address))
    client.call("storage.storage_pool_create", "cluster")
    client.call("storage.storage_vol_create_xml", "cluster", example("volumes/cluster/shop.xml"))
    client.call("storage.storage_vol_upload", "cluster", "shop", BOOT_SECTOR.read_bytes())
    client.call("qemu.domain_define_xml", example("guests/shop.xml"))
    client.call("qemu.domain_create", "shop")


def volumes(whole: Whole) -> list[str]:
    with whole.client() as client:
        return [row["name"] for row in client.call("storage.storage_vol_list", "cluster", changes=False)]


def test_after_kill_9_of_everything_the_pool_is_active_again_and_its_guest_never_stopped(shop: Whole) -> None:
    for pid in shop.others():
        kill_and_wait(pid)
    shop.start()
    assert shop.active() == {"cluster"}
    assert volumes(shop) == ["shop"]
    assert shop.running() == shop.guests


def test_a_guest_on_an_image_outlives_the_storage_worker(shop: Whole) -> None:
    before = shop.driver("storage")
    os.kill(before["pid"], signal.SIGKILL)
    shop.wait_life_after("storage", before["incarnation"])
    assert volumes(shop) == ["shop"]
    assert shop.running() == shop.guests
    with shop.client() as client, pytest.raises(TierhostError, match="in use"):
        client.call("storage.storage_pool_destroy", "cluster")


def test_a_pool_starts_at_boot_with_a_key_from_the_same_tier(shop: Whole) -> None:
    with shop.client() as client:
        client.call("storage.storage_pool_set_autostart", "cluster", True)
        client.call("qemu.domain_set_autostart", "shop", True)
        client.call("qemu.domain_destroy", "shop")
        client.call("storage.storage_pool_destroy", "cluster")
        client.host("shutdown", force=True)
    until(lambda: not shop.root.host_socket.exists(), "the host is gone")
    shutil.rmtree(shop.root.run)  # what a reboot does
    shop.start()
    assert shop.active() == {"cluster"}
    shop.guests = shop.running()
    assert set(shop.guests) == {"shop"}


def test_a_cluster_that_hangs_costs_the_other_drivers_nothing(shop: Whole, ceph: Cluster) -> None:
    with shop.client() as client:
        with ceph.stopped("osd", "mon"):
            with pytest.raises(TierhostError):
                client.call("storage.storage_vol_list", "cluster", changes=False, deadline_s=ONCE)
            assert client.call("qemu.domain_get_state", "shop", changes=False)["state"] == "running"
            assert client.call("secret.secret_list", changes=False)
            assert client.call("storage.storage_pool_list", changes=False)
            storage = shop.driver("storage")
            until(lambda: "cluster" in str(shop.driver("storage")), "the status shows the pool as degraded")
        until(lambda: client.call("storage.storage_pool_get_info", "cluster")["state"] == "running", "the pool is back")
        assert shop.driver("storage")["incarnation"] == storage["incarnation"]
    assert shop.running() == shop.guests
