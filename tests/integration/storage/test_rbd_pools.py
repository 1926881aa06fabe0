"""Pools of a real Ceph cluster with CephX: their life, their images, and what goes wrong with them."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.storage.ceph_pools import envoys, rbd_pool, start, volume
from tests.integration.storage.lives import QEMU, asked_by
from tierhost.workers.runtime.contract import DriverError

if TYPE_CHECKING:
    from tests.ceph_cluster import Cluster
    from tests.integration.storage.lives import Site

UUID = "5f0b7c1a-2f3e-4a52-9d53-8f1f6a3f1d10"


def test_a_pool_shows_what_the_cluster_has(vault: Site, ceph: Cluster) -> None:
    with vault.life() as life:
        driver = life.driver
        start(life, ceph)
        info = driver.storage_pool_get_info("vault")
        assert info["state"] == "running"
        assert info["capacity"] > info["available"] > 0
        made = driver.storage_vol_create_xml("vault", volume("disk"))
        assert (made["key"], made["path"]) == ("rbd/disk", "rbd/disk")
        assert ceph.images() == ["disk"]
        text = driver.storage_vol_get_xml_desc("vault", "disk")
        assert '<volume type="network">' in text
        assert "<permissions>" not in text
        shown = driver.storage_vol_get_info("vault", "disk")
        assert (shown["type"], shown["format"], shown["capacity"], shown["allocation"]) == ("network", "raw", 8 << 20, 0)
        assert driver.storage_vol_lookup_by_path("rbd/disk")["pool"] == "vault"
        assert driver.storage_pool_lookup_by_volume("rbd/disk")["name"] == "vault"
        assert driver.storage_pool_refresh("vault") == {"volumes": 1, "skipped": []}
        driver.storage_pool_destroy("vault")
        assert envoys() == []
        driver.storage_pool_undefine("vault")
        assert life.degraded == {}


def test_what_is_written_is_read_copied_wiped_and_cut_off(vault: Site, ceph: Cluster) -> None:
    with vault.life() as life:
        driver = life.driver
        start(life, ceph)
        driver.storage_vol_create_xml("vault", volume("disk"))
        assert driver.storage_vol_upload("vault", "disk", b"words" * 1000, 5 << 20) == 5000
        assert driver.storage_vol_get_info("vault", "disk")["allocation"] == 4 << 20
        driver.storage_vol_create_xml_from("vault", volume("copy"), "vault", "disk")
        assert driver.storage_vol_download("vault", "copy", 5 << 20, 10) == b"wordswords"
        driver.storage_vol_wipe("vault", "disk")
        assert driver.storage_vol_download("vault", "disk", 5 << 20, 10) == bytes(10)
        assert driver.storage_vol_download("vault", "copy", 5 << 20, 10) == b"wordswords"
        driver.storage_vol_resize("vault", "copy", 6 << 20, 4)
        assert driver.storage_vol_download("vault", "copy", (6 << 20) - 3, 10) == bytes(3)
        with pytest.raises(DriverError, match="beyond its end"):
            driver.storage_vol_upload("vault", "copy", b"x", 6 << 20)
        with pytest.raises(DriverError, match="less than"):
            driver.storage_vol_resize("vault", "copy", 1 << 20)
        driver.storage_vol_delete("vault", "copy", 1)
        assert ceph.images() == ["disk"]


def test_volumes_are_copied_between_a_directory_and_the_cluster(vault: Site, ceph: Cluster) -> None:
    with vault.life() as life:
        driver = life.driver
        start(life, ceph)
        (vault.folder / "pool").mkdir()
        target = f"<target><path>{vault.folder}/pool</path></target>"
        driver.storage_pool_create_xml(f"<pool type='dir'><name>files</name>{target}</pool>")
        driver.storage_vol_create_xml("files", volume("disk"))
        driver.storage_vol_upload("files", "disk", b"words", 6 << 20)
        driver.storage_vol_create_xml_from("vault", volume("there"), "files", "disk")
        driver.storage_vol_create_xml_from("files", volume("back", inside="<allocation>0</allocation>"), "vault", "there")
        assert (vault.folder / "pool/back").read_bytes() == (vault.folder / "pool/disk").read_bytes()
        qcow2 = volume("qcow2", inside="<target><format type='qcow2'/></target>")
        with pytest.raises(DriverError, match="only a raw one"):
            driver.storage_vol_create_xml_from("files", qcow2, "vault", "there")
        with pytest.raises(DriverError, match="its volumes are raw"):
            driver.storage_vol_create_xml("vault", qcow2)


def test_a_guest_s_driver_is_told_how_to_reach_a_volume_and_the_volume_is_then_held(vault: Site, ceph: Cluster) -> None:
    with vault.life() as life:
        driver = life.driver
        start(life, ceph)
        driver.storage_vol_create_xml("vault", volume("disk"))
        with asked_by(QEMU):
            resolved = driver.resolve_volume("vault", "disk", "guest 1")
        assert resolved["connection"] == {
            "type": "network",
            "protocol": "rbd",
            "name": "rbd/disk",
            "hosts": [{"name": ceph.address, "port": 0}],
            "auth": {"type": "ceph", "username": "libvirt", "secret_uuid": "", "secret_usage": "client.libvirt secret"},
        }
        with pytest.raises(DriverError, match="in use by guest 1"):
            driver.storage_vol_delete("vault", "disk")
        with pytest.raises(DriverError, match="in use by guest 1"):
            driver.storage_pool_destroy("vault")
        with asked_by(QEMU):
            driver.release_volumes("guest 1")


def test_the_key_is_nowhere_to_be_read(vault: Site, ceph: Cluster) -> None:
    with vault.life() as life:
        start(life, ceph)
        (pid,) = envoys()
        raw = ceph.keys["client.libvirt"]
        for place in ("cmdline", "environ"):
            text = Path(f"/proc/{pid}/{place}").read_bytes()
            assert raw not in text
            assert base64.b64encode(raw) not in text
        written = b"".join(path.read_bytes() for path in vault.folder.rglob("*") if path.is_file())
        assert raw not in written
        assert base64.b64encode(raw) not in written
        assert "rados" not in Path("/proc/self/maps").read_text()  # the worker itself never loads the library


def test_an_active_pool_is_active_again_after_a_crash_whatever_its_autostart_flag(vault: Site, ceph: Cluster) -> None:
    vault.secrets[UUID] = ceph.keys["client.libvirt"]
    with vault.life() as life:
        life.driver.storage_pool_define_xml(rbd_pool(ceph, secret=f"<secret uuid='{UUID}'/>"))
        life.driver.storage_pool_create("vault")
        life.driver.storage_vol_create_xml("vault", volume("disk"))
    with vault.life(incarnation=2) as life:
        assert life.active() == ["vault"]
        life.run_later()  # no key is asked for before others are told of this life
        assert life.degraded == {}
        assert [found["name"] for found in life.driver.storage_vol_list("vault")] == ["disk"]
    vault.boot_id = "boot-2"
    with vault.life(incarnation=3) as life:
        assert life.active() == []


def test_a_key_that_cannot_be_had_now_is_asked_for_again(vault: Site, ceph: Cluster) -> None:
    with vault.life() as life:
        start(life, ceph)
    key = vault.secrets.pop("client.libvirt secret")
    with vault.life(incarnation=2) as life:
        life.run_later()
        assert "no such secret" in life.degraded["pool vault"]
        assert life.driver.storage_pool_get_info("vault")["state"] == "degraded"
        vault.secrets["client.libvirt secret"] = key
        life.run_later()
        assert life.degraded == {}


def test_a_pool_marked_for_autostart_starts_with_its_key(vault: Site, ceph: Cluster) -> None:
    with vault.life() as life:
        life.driver.storage_pool_define_xml(rbd_pool(ceph))
        life.driver.storage_pool_set_autostart("vault", autostart=True)
    vault.boot_id = "boot-2"
    with vault.life(incarnation=2) as life:
        life.driver.state_auto_start()
        assert life.active() == ["vault"]
        assert life.degraded == {}
