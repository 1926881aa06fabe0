"""Images with file systems in them, for pools of type fs; and what the kernel says of them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tierhost.workers.storage.mounts import mounts_at

if TYPE_CHECKING:
    from tests.integration.storage.lives import Site

IMAGE_BYTES = 8 << 20
LIMIT_S = 20.0
MOUNT = "/bin/mount"
UMOUNT = "/bin/umount"


def need_mounts() -> None:
    """Skip, with the reason, where no image can be mounted."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    if shutil.which("mkfs.ext4", path=f"{os.environ['PATH']}:/sbin:/usr/sbin") is None:
        pytest.skip("mkfs.ext4 is not installed (Debian: e2fsprogs)")
    if not Path("/dev/loop-control").exists():
        pytest.skip("this machine has no loop devices")


def run(*argv: object) -> None:
    """Run a program as an administrator would."""
    subprocess.run([str(part) for part in argv], check=True, timeout=LIMIT_S, capture_output=True)


def blank(path: Path) -> Path:
    """Make an image with nothing in it."""
    with path.open("wb") as image:
        image.truncate(IMAGE_BYTES)
    return path


def image(path: Path) -> Path:
    """Make an image with a file system in it."""
    run("/sbin/mkfs.ext4", "-q", "-F", blank(path))
    return path


def fs_pool(site: Site, source: Path, kind: str = "ext4") -> str:
    """Define a pool; its name is the site's own, so that no two tests share a mount."""
    origin = f"<source><device path='{source}'/><format type='{kind}'/></source>"
    name = f"<name>{site.folder.name}</name>"
    return f"<pool type='fs'>{name}{origin}<target><path>{site.folder}/pool</path></target></pool>"


def mounted(site: Site) -> list[str]:
    """What is mounted at the pool's target, by the kernel's numbers."""
    return [f"{mount.number} {mount.source}" for mount in mounts_at(f"{site.folder}/pool")]
