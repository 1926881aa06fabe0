"""The storage driver on real directories and real images, one life after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.storage.lives import QEMU, asked_by
from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from tests.integration.storage.lives import Site

KEY = "11111111-2222-3333-4444-555555555555"


def dir_pool(site: Site) -> str:
    return f"<pool type='dir'><name>{site.folder.name}</name><target><path>{site.folder}/pool</path></target></pool>"


def volume(name: str, kind: str = "raw", inside: str = "") -> str:
    return f"<volume><name>{name}</name><capacity unit='M'>4</capacity><target><format type='{kind}'/>{inside}</target></volume>"


LUKS = volume("crypt", inside=f"<encryption format='luks'><secret type='passphrase' uuid='{KEY}'/></encryption>")


def test_a_dir_pool_goes_through_all_its_verbs(site: Site) -> None:
    with site.life() as life:
        driver, name = life.driver, site.folder.name
        driver.storage_pool_define_xml(dir_pool(site))
        driver.storage_pool_build(name)
        driver.storage_pool_create(name)
        driver.storage_pool_set_autostart(name, autostart=True)
        assert driver.storage_pool_get_autostart(name)
        assert life.active() == [name]
        driver.storage_pool_refresh(name)
        assert driver.storage_pool_get_info(name)
        assert f"{site.folder}/pool" in driver.storage_pool_get_xml_desc(name)
        driver.storage_pool_destroy(name)
        driver.storage_pool_delete(name)
        assert not (site.folder / "pool").exists()
        driver.storage_pool_undefine(name)
        assert driver.storage_pool_list() == []


def test_what_was_active_is_active_in_the_next_life_and_not_after_a_reboot(site: Site) -> None:
    with site.life() as life:
        life.driver.storage_pool_define_xml(dir_pool(site))
        life.driver.storage_pool_build(site.folder.name)
        life.driver.storage_pool_create(site.folder.name)
    with site.life(incarnation=2) as life:
        assert life.active() == [site.folder.name]
    site.boot_id = "boot-2"
    with site.life(incarnation=3) as life:
        life.driver.state_auto_start()
        assert life.active() == []


@pytest.mark.parametrize("kind", ["raw", "qcow2"])
def test_a_volume_is_made_looked_up_resized_and_deleted(site: Site, kind: str) -> None:
    with site.life() as life:
        driver, pool = life.driver, site.folder.name
        driver.storage_pool_define_xml(dir_pool(site))
        driver.storage_pool_build(pool)
        driver.storage_pool_create(pool)
        made = driver.storage_vol_create_xml(pool, volume("disk", kind))
        assert driver.storage_vol_lookup_by_path(made["path"])["pool"] == pool
        driver.storage_vol_create_xml_from(pool, volume("copy", kind), pool, "disk")
        driver.storage_vol_resize(pool, "copy", 8 << 20)
        assert driver.storage_vol_get_info(pool, "copy")["capacity"] == 8 << 20
        assert f'type="{kind}"' in driver.storage_vol_get_xml_desc(pool, "copy")
        driver.storage_vol_delete(pool, "copy")
        assert [found["name"] for found in driver.storage_vol_list(pool)] == ["disk"]


def test_what_is_uploaded_is_downloaded_and_gone_after_a_wipe(site: Site) -> None:
    with site.life() as life:
        driver, pool = life.driver, site.folder.name
        driver.storage_pool_define_xml(dir_pool(site))
        driver.storage_pool_build(pool)
        driver.storage_pool_create(pool)
        driver.storage_vol_create_xml(pool, volume("disk"))
        driver.storage_vol_upload(pool, "disk", b"tier", 512)
        assert driver.storage_vol_download(pool, "disk", 512, 4) == b"tier"
        driver.storage_vol_wipe(pool, "disk")
        assert driver.storage_vol_download(pool, "disk", 512, 4) == bytes(4)


def test_a_pool_and_a_volume_in_use_are_neither_stopped_nor_deleted(site: Site) -> None:
    with site.life() as life:
        driver, pool = life.driver, site.folder.name
        driver.storage_pool_define_xml(dir_pool(site))
        driver.storage_pool_build(pool)
        driver.storage_pool_create(pool)
        driver.storage_vol_create_xml(pool, volume("disk"))
        with asked_by(QEMU):
            driver.resolve_volume(pool, "disk", f"guest {KEY}")
        with pytest.raises(DriverError):
            driver.storage_pool_destroy(pool)
        with pytest.raises(DriverError):
            driver.storage_vol_delete(pool, "disk")
        with asked_by(QEMU):
            driver.release_volumes(f"guest {KEY}")
        driver.storage_vol_delete(pool, "disk")
        driver.storage_pool_destroy(pool)


def test_a_luks_volume_waits_for_its_secret_and_leaves_nothing_without_it(site: Site) -> None:
    with site.life() as life:
        driver, pool = life.driver, site.folder.name
        driver.storage_pool_define_xml(dir_pool(site))
        driver.storage_pool_build(pool)
        driver.storage_pool_create(pool)
        with pytest.raises(DriverError) as refused:
            driver.storage_vol_create_xml(pool, LUKS)
        assert refused.value.code is Code.NO_SECRET
        assert list((site.folder / "pool").iterdir()) == []
    site.secrets[KEY] = b"a passphrase that came later"
    with site.life(incarnation=2) as life:
        made = life.driver.storage_vol_create_xml(pool, LUKS)
        assert (site.folder / "pool" / "crypt").read_bytes()[:4] == b"LUKS"
        assert made["path"].endswith("/crypt")
