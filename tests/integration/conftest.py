"""What tests of several drivers share: one Ceph cluster for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.ceph_cluster import NotInstalled, ceph_cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.ceph_cluster import Cluster


@pytest.fixture(scope="session")
def ceph() -> Iterator[Cluster]:
    """A Ceph cluster with CephX: three seconds to make, a third to take away. Whoever stops its daemons starts them again."""
    try:
        with ceph_cluster() as cluster:
            yield cluster
    except NotInstalled as missing:
        pytest.skip(f"no Ceph to test with (Debian: {missing})")
