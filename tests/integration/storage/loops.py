"""A loop device of a test's own, with a number that nobody else gets."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.integration.storage.images import LIMIT_S, run
from tests.waiting import until
from tierhost.workers.runtime.commands import SYSTEM_PATHS
from tierhost.workers.storage.partitions import known_partitions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.storage.lives import Site

DISK_BYTES = 64 << 20
LOOP_CTL_ADD, LOOP_CTL_REMOVE = 0x4C80, 0x4C81


@contextmanager
def loop_device(site: Site) -> Iterator[str]:
    """A loop device over an image of the site's; its partitions and itself are gone afterwards."""
    if os.geteuid() != 0:
        pytest.skip("only root may make loop devices")
    for program, package in (("parted", "parted"), ("partx", "util-linux"), ("losetup", "mount")):
        if shutil.which(program, path=SYSTEM_PATHS) is None:
            pytest.skip(f"{program} is not installed (Debian: {package})")
    with (site.folder / "disk.img").open("wb") as image:
        image.truncate(DISK_BYTES)
    # A number of its own: nobody who looks for a free loop device gets it while it is detached for a moment.
    number = random.SystemRandom().randrange(10_000, 1 << 20)
    control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(control, LOOP_CTL_ADD, number)
        device = f"/dev/loop{number}"
        try:
            run("/sbin/losetup", device, site.folder / "disk.img")
            yield device
        finally:
            for part in known_partitions(device).values():
                run("delpart", device, part)
            subprocess.run(["/sbin/losetup", "--detach", device], check=False, timeout=LIMIT_S, capture_output=True)
            until(lambda: _removed(control, number), "the loop device is gone")
    finally:
        os.close(control)


def _removed(control: int, number: int) -> bool:
    try:
        fcntl.ioctl(control, LOOP_CTL_REMOVE, number)
    except OSError:
        return False  # it is let go of in a moment
    return True
