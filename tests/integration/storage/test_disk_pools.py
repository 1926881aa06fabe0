"""Pools of type disk, on loop devices that the tests make: partitions as volumes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.storage.ceph_pools import volume
from tests.integration.storage.images import LIMIT_S, MOUNT, UMOUNT, run
from tests.integration.storage.lives import Site, within
from tests.integration.storage.loops import DISK_BYTES
from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.storage import disk_volumes

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.storage.lives import Life

OVERWRITE, NO_OVERWRITE = 8, 4
MB = 1 << 20


def pool(disk: str, kind: str = "gpt", name: str = "disk") -> str:
    return f"<pool type='disk'><name>{name}</name><source><device path='{disk}'/><format type='{kind}'/></source></pool>"


def start(life: Life, disk: str, kind: str = "gpt") -> None:
    life.driver.storage_pool_define_xml(pool(disk, kind))
    life.driver.storage_pool_build("disk")
    life.driver.storage_pool_create("disk")


def table(disk: str) -> list[str]:
    """What parted says of the partitions: an independent witness."""
    command = ["parted", "-s", "-m", disk, "unit", "MiB", "print"]
    text = subprocess.run(command, check=True, timeout=LIMIT_S, capture_output=True, text=True).stdout
    return [line.split("::")[0] for line in text.splitlines()[2:]]


@pytest.mark.parametrize("kind", ["gpt", "dos"])
def test_partitions_are_made_found_and_deleted(site: Site, disk: str, kind: str) -> None:
    first, second, third = (f"{Path(disk).name}p{number}" for number in (1, 2, 3))
    with site.life() as life:
        driver = life.driver
        start(life, disk, kind)
        info = driver.storage_pool_get_info("disk")
        assert (info["state"], info["capacity"], info["allocation"]) == ("running", DISK_BYTES, 0)
        made = driver.storage_vol_create_xml("disk", volume(first, 16 * MB))
        assert made["path"] == f"/dev/{first}"
        driver.storage_vol_create_xml("disk", volume(second, 8 * MB))
        assert table(disk) == ["1:1.00MiB:17.0MiB:16.0MiB", "2:17.0MiB:25.0MiB:8.00MiB"]
        driver.storage_vol_delete("disk", first)
        assert [found["name"] for found in driver.storage_vol_list("disk")] == [second]
        driver.storage_vol_create_xml("disk", volume(first, 4 * MB))  # into the smallest room that takes it
        with pytest.raises(DriverError, match="there is no room"):
            driver.storage_vol_create_xml("disk", volume(third, 60 * MB))
        with pytest.raises(DriverError, match=f"the next one is '{third}'"):
            driver.storage_vol_create_xml("disk", volume("data"))
        with pytest.raises(DriverError, match="exists already"):
            driver.storage_vol_create_xml("disk", volume(second))
        shown = driver.storage_vol_get_info("disk", second)
        assert (shown["type"], shown["format"], shown["capacity"]) == ("block", "raw", 8 * MB)
        assert driver.resolve_volume("disk", second, "guest 1")["connection"] == {"type": "block"}
        assert driver.storage_vol_lookup_by_path(f"/dev/{second}")["pool"] == "disk"
        assert life.degraded == {}


def test_what_is_written_is_read_copied_and_wiped(site: Site, disk: str) -> None:
    first, second = (f"{Path(disk).name}p{number}" for number in (1, 2))
    with site.life() as life:
        driver = life.driver
        start(life, disk)
        driver.storage_vol_create_xml("disk", volume(first, 2 * MB))
        driver.storage_vol_upload("disk", first, b"words", MB)
        driver.storage_vol_create_xml_from("disk", volume(second, 3 * MB), "disk", first)
        driver.storage_vol_wipe("disk", first)
        assert driver.storage_vol_download("disk", first, MB, 5) == bytes(5)
        assert driver.storage_vol_download("disk", second, MB, 5) == b"words"
        with pytest.raises(DriverError, match="beyond its end"):
            driver.storage_vol_upload("disk", first, b"x", 2 * MB)


def test_nothing_that_is_there_is_overwritten_unasked(site: Site, disk: str) -> None:
    run("/sbin/mkfs.ext4", "-q", "-F", disk)
    with site.life() as life:
        life.driver.storage_pool_define_xml(pool(disk))
        for flags in (0, NO_OVERWRITE):
            with pytest.raises(DriverError, match="is not empty") as caught:
                life.driver.storage_pool_build("disk", flags)
            assert caught.value.code is Code.STORAGE_POOL_BUILT
        with pytest.raises(DriverError, match="has no partition table, expected gpt"):
            life.driver.storage_pool_create("disk")
        life.driver.storage_pool_build("disk", OVERWRITE)
        life.driver.storage_pool_create("disk")


def test_a_table_of_another_kind_is_not_started(site: Site, disk: str) -> None:
    run("parted", "-s", disk, "mklabel", "msdos")
    with site.life() as life:
        life.driver.storage_pool_define_xml(pool(disk))
        with pytest.raises(DriverError, match="has a partition table of type msdos, expected gpt"):
            life.driver.storage_pool_create("disk")


def test_what_somebody_has_mounted_is_neither_deleted_nor_wiped_nor_built_over(site: Site, disk: str) -> None:
    first = f"{Path(disk).name}p1"
    with site.life() as life:
        start(life, disk)
        life.driver.storage_vol_create_xml("disk", volume(first, 16 * MB))
        run("/sbin/mkfs.ext4", "-q", f"/dev/{first}")
        (site.folder / "mount").mkdir()
        run(MOUNT, f"/dev/{first}", site.folder / "mount")
        acts: tuple[Callable[[], object], ...] = (
            lambda: life.driver.storage_vol_delete("disk", first),
            lambda: life.driver.storage_vol_wipe("disk", first),
            lambda: life.driver.storage_pool_build("disk", OVERWRITE),
        )
        try:
            for act in acts:
                with pytest.raises(DriverError) as caught:
                    act()
                assert caught.value.code in {Code.RESOURCE_BUSY, Code.OPERATION_INVALID}
        finally:
            run(UMOUNT, site.folder / "mount")
        assert len(table(disk)) == 1
        life.driver.storage_vol_delete("disk", first)


def test_an_active_pool_is_active_again_after_a_crash_and_another_disk_is_left_alone(site: Site, disk: str) -> None:
    first = f"{Path(disk).name}p1"
    with site.life() as life:
        start(life, disk)
        life.driver.storage_vol_create_xml("disk", volume(first))
    with site.life(incarnation=2) as life:
        assert life.active() == ["disk"]
        assert [found["name"] for found in life.driver.storage_vol_list("disk")] == [first]
        run("delpart", disk, 1)
        run("/sbin/losetup", "--detach", disk)
        with pytest.raises(DriverError, match="is not there"):
            life.driver.storage_vol_list("disk")
        with (site.folder / "other.img").open("wb") as image:
            image.truncate(DISK_BYTES)
        run("/sbin/losetup", disk, site.folder / "other.img")
        with pytest.raises(DriverError, match="is another disk than the one"):
            life.driver.storage_vol_list("disk")


class Dead(BaseException):
    """Stands for the death of the worker."""


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_partition_is_whole_or_not_there_whenever_its_maker_dies(
    site: Site, disk: str, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, real = f"{Path(disk).name}p1", disk_volumes._parted

    def dying(device: str, effort: object, *words: str) -> None:
        if when == "after":
            real(device, effort, *words)  # type: ignore[arg-type]
        raise Dead

    with site.life() as life:
        start(life, disk)
        monkeypatch.setattr(disk_volumes, "_parted", dying)
        with pytest.raises(Dead):
            life.driver.storage_vol_create_xml("disk", volume(first))
        monkeypatch.undo()
    with site.life(incarnation=2) as life:
        expected = [first] if when == "after" else []
        assert [found["name"] for found in life.driver.storage_vol_list("disk")] == expected
        assert len(table(disk)) == len(expected)
        assert life.context.persistent.intents() == {}


def test_a_program_that_hangs_ends_in_the_caller_s_time(site: Site, disk: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = site.folder / "bin"
    folder.mkdir()
    (folder / "parted").write_text("#!/bin/sh\nexec sleep 60\n")
    (folder / "parted").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    with site.life() as life:
        life.driver.storage_pool_define_xml(pool(disk))
        with within(1.0), pytest.raises(DriverError, match="parted"):
            life.driver.storage_pool_create("disk")


def test_what_is_no_disk_is_refused(site: Site) -> None:
    with site.life() as life:
        with pytest.raises(DriverError, match="appear in /dev"):
            life.driver.storage_pool_define_xml(pool("/dev/sdz").replace("</pool>", "<target><path>/p</path></target></pool>"))
        with pytest.raises(DriverError, match="expected one of dos, gpt"):
            life.driver.storage_pool_define_xml(pool("/dev/sdz", "mac"))
        life.driver.storage_pool_define_xml(pool(str(site.folder)))
        with pytest.raises(DriverError, match=r"is no disk|needs root"):
            life.driver.storage_pool_create("disk")
