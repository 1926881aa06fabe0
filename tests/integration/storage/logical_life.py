"""A program for a kernel with device-mapper and nobody else in it: a logical pool's life, and its deaths."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.storage.ceph_pools import volume
from tests.integration.storage.lives import Site
from tierhost.workers.runtime.contract import DriverError
from tierhost.workers.storage import logical_volumes

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.storage.lives import Life

MB = 1 << 20
SHRINK = 4


class Dead(BaseException):
    """Stands for the death of the worker."""


def refused(act: Callable[[], object], words: str) -> None:
    """The act must be refused, with these words."""
    with pytest.raises(DriverError, match=words):
        act()


def main() -> None:
    """Live."""
    site = Site(Path(tempfile.mkdtemp(dir="/tmp")))
    with (site.folder / "disk.img").open("wb") as image:
        image.truncate(64 * MB)
    command = ["/sbin/losetup", "--find", "--show", str(site.folder / "disk.img")]
    disk = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    with site.life() as life:
        begin(life, disk)
        change(life)
    with site.life(incarnation=2) as life:
        assert life.active() == ["vg"]
        die_while_making(life)
    with site.life(incarnation=3) as life:
        assert [found["name"] for found in life.driver.storage_vol_list("vg")] == ["data"], life.driver.storage_vol_list("vg")
        assert life.context.persistent.intents() == {}
        end(life)


def begin(life: Life, disk: str) -> None:
    """Build and start it."""
    life.driver.storage_pool_define_xml(f"<pool type='logical'><name>vg</name><source><device path='{disk}'/></source></pool>")
    life.driver.storage_pool_build("vg")
    life.driver.storage_pool_create("vg")
    assert life.driver.storage_pool_get_info("vg")["state"] == "running"


def change(life: Life) -> None:
    """Do all that can be done to a volume."""
    driver = life.driver
    made = driver.storage_vol_create_xml("vg", volume("data", 8 * MB))
    assert made["path"] == "/dev/vg/data"
    driver.storage_vol_upload("vg", "data", b"words", MB)
    driver.storage_vol_create_xml_from("vg", volume("copy", 8 * MB), "vg", "data")
    driver.storage_vol_resize("vg", "data", 12 * MB)
    assert driver.storage_vol_get_info("vg", "data")["capacity"] == 12 * MB
    driver.storage_vol_wipe("vg", "data")
    assert driver.storage_vol_download("vg", "data", MB, 5) == bytes(5)
    assert driver.storage_vol_download("vg", "copy", MB, 5) == b"words"
    refused(lambda: driver.storage_vol_create_xml("vg", volume("copy", MB)), "exists already")
    refused(lambda: driver.storage_vol_create_xml("vg", volume("huge", 640 * MB)), "lvcreate failed.*insufficient free space")
    assert len(driver.storage_vol_list("vg")) == 2
    driver.storage_vol_delete("vg", "copy")


def die_while_making(life: Life) -> None:
    """Die when the volume is there and has not its name."""
    logical_volumes.LogicalVolumes.publish, real = _die, logical_volumes.LogicalVolumes.publish  # type: ignore[method-assign,assignment]
    try:
        life.driver.storage_vol_create_xml("vg", volume("half", 4 * MB))
    except Dead:
        pass
    finally:
        logical_volumes.LogicalVolumes.publish = real  # type: ignore[method-assign]


def _die(*_: object) -> None:
    raise Dead


def end(life: Life) -> None:
    """Nobody stops it while it is in use; then it is stopped, and taken away."""
    driver = life.driver
    with Path("/dev/vg/data").open("rb"):
        refused(lambda: driver.storage_pool_destroy("vg"), "vg")
        assert life.active() == ["vg"]
    driver.storage_pool_destroy("vg")
    assert not Path("/dev/vg/data").exists()
    driver.storage_pool_create("vg")
    driver.storage_vol_delete("vg", "data")
    driver.storage_pool_destroy("vg")
    driver.storage_pool_delete("vg")
    assert life.degraded == {}, life.degraded


if __name__ == "__main__":
    main()
