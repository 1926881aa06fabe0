"""Pools of type fs on images that are really mounted: verbs, restarts, reboots, and other people's mounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.storage.images import MOUNT, UMOUNT, blank, fs_pool, image, mounted, need_mounts, run
from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.storage.mounts import loops_over

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.storage.lives import Life, Site

BUILD_NO_OVERWRITE, BUILD_OVERWRITE = 4, 8
VOLUME = "<volume><name>disk</name><capacity unit='KiB'>64</capacity></volume>"


@pytest.fixture
def disk(site: Site) -> Path:
    """An image with a file system in it, and the folder it is to be mounted at."""
    need_mounts()
    (site.folder / "pool").mkdir()
    return image(site.folder / "disk.img")


def refusal(life: Life, method: str, *args: object) -> DriverError:
    with pytest.raises(DriverError) as refused:
        getattr(life.driver, method)(*args)
    return refused.value


def started(site: Site, disk: Path, life: Life) -> str:
    life.driver.storage_pool_define_xml(fs_pool(site, disk))
    life.driver.storage_pool_create(site.folder.name)
    return site.folder.name


def test_an_fs_pool_goes_through_all_its_verbs(site: Site) -> None:
    need_mounts()
    disk, name = blank(site.folder / "disk.img"), site.folder.name
    with site.life() as life:
        driver = life.driver
        driver.storage_pool_define_xml(fs_pool(site, disk))
        driver.storage_pool_build(name, BUILD_NO_OVERWRITE)
        driver.storage_pool_create(name)
        assert len(mounted(site)) == len(loops_over(str(disk))) == 1
        driver.storage_vol_create_xml(name, VOLUME)
        assert driver.storage_pool_refresh(name) == {"volumes": 1, "skipped": []}
        info = driver.storage_pool_get_info(name)
        assert (info["state"], 0 < info["capacity"] < disk.stat().st_size) == ("running", True)
        driver.storage_pool_destroy(name)
        assert (mounted(site), loops_over(str(disk)), life.active()) == ([], [], [])
        driver.storage_pool_delete(name)
        assert not (site.folder / "pool").exists()
        driver.storage_pool_undefine(name)
        assert (driver.storage_pool_list(), life.context.run.intents(), life.degraded) == ([], {}, {})


def test_a_file_system_is_made_over_another_only_when_that_is_asked_for(site: Site, disk: Path) -> None:
    with site.life() as life:
        life.driver.storage_pool_define_xml(fs_pool(site, disk))
        error = refusal(life, "storage_pool_build", site.folder.name, BUILD_NO_OVERWRITE)
        assert (error.code, "TYPE=ext4" in str(error), "storage_pool_build" in error.hint) == (
            Code.STORAGE_POOL_BUILT,
            True,
            True,
        )
        life.driver.storage_pool_build(site.folder.name, BUILD_OVERWRITE)


def test_a_file_system_is_never_made_under_a_mount(site: Site, disk: Path) -> None:
    run(MOUNT, "-o", "loop", disk, site.folder / "pool")
    with site.life() as life:
        life.driver.storage_pool_define_xml(fs_pool(site, disk))
        error = refusal(life, "storage_pool_build", site.folder.name, BUILD_OVERWRITE)
        assert (error.code, f"is in use: {site.folder}/pool" in str(error)) == (Code.RESOURCE_BUSY, True)


def test_a_mount_of_the_pools_own_image_made_by_hand_is_taken_over(site: Site, disk: Path) -> None:
    run(MOUNT, "-o", "loop", disk, site.folder / "pool")
    before = mounted(site)
    with site.life() as life:
        started(site, disk, life)
        assert mounted(site) == before


# Restarts.


def test_the_next_life_finds_the_mount_and_does_not_mount_twice(site: Site, disk: Path) -> None:
    with site.life() as life:
        name = started(site, disk, life)
        before = mounted(site)
    for incarnation in (2, 3):
        with site.life(incarnation=incarnation) as life:
            assert (life.active(), mounted(site), life.degraded) == ([name], before, {})
            assert "pool-mounted-again" not in life.kinds()


@pytest.mark.parametrize("autostart", [False, True])
def test_what_was_acknowledged_as_active_is_active_after_death_whatever_its_flag(
    site: Site, disk: Path, *, autostart: bool
) -> None:
    with site.life() as life:
        name = started(site, disk, life)
        life.driver.storage_pool_set_autostart(name, autostart)
    run(UMOUNT, site.folder / "pool")
    with site.life(incarnation=2) as life:
        assert (life.active(), len(mounted(site)), life.degraded) == ([name], 1, {})
        assert "pool-mounted-again" in life.kinds()


@pytest.mark.parametrize("autostart", [False, True])
def test_what_was_acknowledged_as_stopped_stays_so_whatever_its_flag(site: Site, disk: Path, *, autostart: bool) -> None:
    with site.life() as life:
        name = started(site, disk, life)
        life.driver.storage_pool_set_autostart(name, autostart)
        life.driver.storage_pool_destroy(name)
    with site.life(incarnation=2) as life:
        assert (life.active(), mounted(site)) == ([], [])


def test_after_a_reboot_autostart_pools_start_when_their_time_comes_and_others_do_not(site: Site, disk: Path) -> None:
    second = site.folder / "other"
    with site.life() as life:
        name = started(site, disk, life)
        life.driver.storage_pool_set_autostart(name, True)
        life.driver.storage_pool_define_xml(f"<pool type='dir'><name>o</name><target><path>{second}</path></target></pool>")
        life.driver.storage_pool_build("o")
        life.driver.storage_pool_create("o")
    run(UMOUNT, site.folder / "pool")
    site.boot_id = "boot-2"
    with site.life(incarnation=2) as life:
        assert (life.active(), mounted(site)) == ([], [])
        life.driver.state_auto_start()
        assert (life.active(), len(mounted(site))) == ([name], 1)


def test_a_pool_that_cannot_be_autostarted_is_shown_and_the_others_start(site: Site, disk: Path) -> None:
    with site.life() as life:
        name = started(site, disk, life)
        life.driver.storage_pool_define_xml(
            f"<pool type='dir'><name>o</name><target><path>{site.folder}/other</path></target></pool>"
        )
        life.driver.storage_pool_build("o")
        for pool in (name, "o"):
            life.driver.storage_pool_set_autostart(pool, True)
    run(UMOUNT, site.folder / "pool")
    disk.unlink()
    site.boot_id = "boot-2"
    with site.life(incarnation=2) as life:
        life.driver.state_auto_start()
        assert life.active() == ["o"]
        assert "neither a block device nor an image file" in life.degraded[f"pool {name}"]


def test_a_pool_whose_image_is_away_stays_active_and_comes_back_with_it(site: Site, disk: Path) -> None:
    with site.life() as life:
        name = started(site, disk, life)
    run(UMOUNT, site.folder / "pool")
    away = disk.rename(disk.with_name("away.img"))
    with site.life(incarnation=2) as life:
        assert (life.active(), mounted(site)) == ([name], [])
        assert life.driver.storage_pool_get_info(name)["state"] == "degraded"
        assert refusal(life, "storage_vol_list", name).code is Code.OPERATION_INVALID
        away.rename(disk)
        life.run_later()
        assert (len(mounted(site)), life.degraded) == (1, {})
        assert life.driver.storage_vol_list(name) == []


# Other people's mounts.


def test_a_foreign_mount_on_the_target_is_refused_and_left_alone(site: Site, disk: Path) -> None:
    run(MOUNT, "-t", "tmpfs", "-o", "size=64k", "foreign", site.folder / "pool")
    before = mounted(site)
    with site.life() as life:
        life.driver.storage_pool_define_xml(fs_pool(site, disk))
        error = refusal(life, "storage_pool_create", site.folder.name)
        assert (error.code, "foreign is mounted" in str(error), "umount" in error.hint) == (Code.RESOURCE_BUSY, True, True)
        assert (mounted(site), life.active(), life.context.run.intents()) == (before, [], {})


def test_a_foreign_mount_over_an_active_pool_is_shown_and_left_alone(site: Site, disk: Path) -> None:
    with site.life() as life:
        name = started(site, disk, life)
    run(MOUNT, "-t", "tmpfs", "-o", "size=64k", "foreign", site.folder / "pool")
    before = mounted(site)
    with site.life(incarnation=2) as life:
        assert (life.active(), "foreign, which is not the pool's" in life.degraded[f"pool {name}"]) == ([name], True)
        assert refusal(life, "storage_vol_create_xml", name, VOLUME).code is Code.OPERATION_INVALID
        error = refusal(life, "storage_pool_destroy", name)
        assert (error.code, "mounted over it" in str(error), mounted(site)) == (Code.RESOURCE_BUSY, True, before)
        run(UMOUNT, site.folder / "pool")
        life.driver.storage_pool_refresh(name)
        assert (life.degraded, len(mounted(site))) == ({}, 1)
        life.driver.storage_pool_destroy(name)


def test_a_pool_that_was_unmounted_lazily_is_mounted_from_the_same_device_again(site: Site, disk: Path) -> None:
    with site.life() as life:
        name = started(site, disk, life)
        life.driver.storage_vol_create_xml(name, VOLUME)
        with (site.folder / "pool" / "disk").open("rb"):
            loop = loops_over(str(disk))
            run(UMOUNT, "--lazy", site.folder / "pool")
            assert life.driver.storage_pool_get_info(name)["state"] == "degraded"
            life.driver.storage_pool_refresh(name)
            # Two loop devices over one image would be two kernels' views of one file system: it would be destroyed.
            assert (len(mounted(site)), loops_over(str(disk))) == (1, loop)
        assert [volume["name"] for volume in life.driver.storage_vol_list(name)] == ["disk"]


def test_a_busy_pool_is_not_unmounted_and_stays_active(site: Site, disk: Path) -> None:
    with site.life() as life:
        name = started(site, disk, life)
        life.driver.storage_vol_create_xml(name, VOLUME)
        with (site.folder / "pool" / "disk").open("rb"):
            error = refusal(life, "storage_pool_destroy", name)
            assert (error.code, "fuser" in error.hint) == (Code.RESOURCE_BUSY, True)
            assert (life.active(), life.context.run.intents()) == ([name], {})
        life.driver.storage_pool_destroy(name)


def test_an_image_without_a_file_system_is_refused_with_the_next_step(site: Site, disk: Path) -> None:
    blank(disk)
    with site.life() as life:
        life.driver.storage_pool_define_xml(fs_pool(site, disk))
        error = refusal(life, "storage_pool_create", site.folder.name)
        assert "tierhost call storage.storage_pool_build" in error.hint
        assert (mounted(site), loops_over(str(disk)), life.active(), life.context.run.intents()) == ([], [], [], {})


def test_a_target_that_is_a_link_is_refused(site: Site, disk: Path) -> None:
    (site.folder / "pool").rmdir()
    (site.folder / "real").mkdir()
    (site.folder / "pool").symlink_to("real")
    with site.life() as life:
        life.driver.storage_pool_define_xml(fs_pool(site, disk))
        assert "symbolic link" in str(refusal(life, "storage_pool_create", site.folder.name))


def test_one_image_is_one_pools(site: Site, disk: Path) -> None:
    with site.life() as life:
        started(site, disk, life)
        other = fs_pool(site, disk).replace(f"<name>{site.folder.name}", "<name>other").replace("/pool</path>", "/other</path>")
        assert f"uses {disk} already" in str(refusal(life, "storage_pool_define_xml", other))
