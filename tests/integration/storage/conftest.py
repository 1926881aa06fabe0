"""A storage driver's folders for one test, and every mount below them undone whatever happens."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.storage.ceph_pools import envoys, secrets
from tests.integration.storage.lives import Site
from tests.integration.storage.loops import loop_device

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.ceph_cluster import Cluster


@pytest.fixture
def site() -> Iterator[Site]:
    """Give a test its own folder; umount also gives back the loop device of a mount."""
    folder = Path(tempfile.mkdtemp(prefix="th", dir="/tmp"))
    try:
        yield Site(folder)
    finally:
        for line in Path("/proc/self/mounts").read_text().splitlines():
            target = line.split()[1]
            if target.startswith(f"{folder}/"):
                subprocess.run(["umount", target], check=True, timeout=10)
        shutil.rmtree(folder)


@pytest.fixture
def vault(site: Site, ceph: Cluster) -> Iterator[Site]:
    """A site with the cluster's secrets; no image is left in the cluster afterwards."""
    site.secrets.update(secrets(ceph))
    site.options["remote_limit_s"] = 20.0  # the machine may be busy
    yield site
    ceph.clear()
    assert envoys() == []


@pytest.fixture
def disk(site: Site) -> Iterator[str]:
    """A loop device over an image of the site's; its partitions and itself are gone afterwards."""
    with loop_device(site) as device:
        yield device
