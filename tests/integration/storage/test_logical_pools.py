"""Pools of type logical: what LVM can do without device-mapper is done here for real, the rest in a kernel that has it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.storage.images import run
from tierhost.workers.runtime.commands import SYSTEM_PATHS
from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.storage.lvm import has_device_mapper

if TYPE_CHECKING:
    from tests.integration.storage.lives import Site

OVERWRITE = 8
ROOT = Path(__file__).parents[3]
MODULES = Path("/usr/lib/uml/modules")
NEEDED = ("loop", "dax", "dm-mod")
"""Modules, in the order in which they need each other; one that the kernel has inside is no file."""

LIMIT_S = 120.0
INIT = """#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C PYTHONDONTWRITEBYTECODE=1 PYTHONPATH={root}
mount -t proc proc /proc; mount -t sysfs sys /sys
mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /tmp; mount -t tmpfs tmpfs /etc/lvm; mount -t tmpfs tmpfs /var/tmp
mkdir -p /run/lock /run/lvm
for module in {modules}; do busybox insmod $module || echo "no $module"; done
cd {root}; {python} -m tests.integration.storage.logical_life; echo "ENDED=$?"
echo o > /proc/sysrq-trigger; sleep 5
"""


@pytest.fixture(autouse=True)
def programs() -> None:
    if shutil.which("lvm", path=SYSTEM_PATHS) is None:
        pytest.skip("lvm is not installed (Debian: lvm2)")


def pool(name: str, disk: str) -> str:
    return f"<pool type='logical'><name>{name}</name><source><device path='{disk}'/></source></pool>"


def test_a_group_is_made_of_a_device_and_taken_away(site: Site, disk: str) -> None:
    name = site.folder.name
    with site.life() as life:
        driver = life.driver
        driver.storage_pool_define_xml(pool(name, disk))
        driver.storage_pool_build(name)
        with pytest.raises(DriverError, match="is not empty"):
            driver.storage_pool_build(name)
        if not has_device_mapper():
            with pytest.raises(DriverError, match="need device-mapper, and this kernel has none") as caught:
                driver.storage_pool_create(name)
            assert caught.value.code is Code.OPERATION_UNSUPPORTED
        driver.storage_pool_delete(name)
        driver.storage_pool_build(name)
        driver.storage_pool_delete(name)
        assert life.degraded == {}


def test_a_device_with_something_on_it_is_left_alone(site: Site, disk: str) -> None:
    run("/sbin/mkfs.ext4", "-q", "-F", disk)
    with site.life() as life:
        life.driver.storage_pool_define_xml(pool(site.folder.name, disk))
        with pytest.raises(DriverError, match="is not empty"):
            life.driver.storage_pool_build(site.folder.name)


@pytest.mark.parametrize(
    ("inside", "words"),
    [
        ("<source><name>a/b</name></source>", "no volume group's"),
        ("<source><name>--yes</name></source>", "no volume group's"),
        ("<source><name>vg</name></source><target><path>/srv</path></target>", "appear in /dev/vg"),
        ("<source><name>vg</name><format type='zfs'/></source>", "expected one of lvm2"),
        ("<source><device path='sda'/></source>", "absolute"),
    ],
)
def test_a_definition_that_makes_no_sense_is_refused(site: Site, inside: str, words: str) -> None:
    with site.life() as life, pytest.raises(DriverError, match=words):
        life.driver.storage_pool_define_xml(f"<pool type='logical'><name>p</name>{inside}</pool>")


@pytest.mark.slow
@pytest.mark.thorough
def test_a_pool_lives_in_a_kernel_that_has_device_mapper(site: Site) -> None:
    if os.geteuid() != 0 or shutil.which("linux.uml") is None or shutil.which("busybox") is None:
        pytest.skip("no User-Mode Linux, or not root (Debian: user-mode-linux, busybox-static)")
    modules = " ".join(str(path) for name in NEEDED for path in MODULES.glob(f"*/kernel/drivers/**/{name}.ko"))
    init = site.folder / "init"
    init.write_text(INIT.format(root=ROOT, modules=modules, python=sys.executable))
    init.chmod(0o755)
    kernel = ["mem=256M", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", f"init={init}", f"uml_dir={site.folder}/"]
    consoles = ["umid=guest", "con=null", "ssl=null", "con0=null,fd:1", "quiet", "panic=1"]
    leash = ["setpriv", "--pdeathsig", "KILL", "--"]
    done = subprocess.run(
        [*leash, "linux.uml", *kernel, *consoles], stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT_S, check=False
    )
    assert b"ENDED=0" in done.stdout, done.stdout.decode(errors="replace")[-4000:]
