"""What tests of several drivers share: one Ceph cluster for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.ceph_cluster import NotInstalled, ceph_cluster
from tests.iscsi_target import NoTarget, iscsi_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.ceph_cluster import Cluster
    from tests.iscsi_target import Target


@pytest.fixture(scope="session")
def ceph() -> Iterator[Cluster]:
    """A Ceph cluster with CephX: three seconds to make, a third to take away. Whoever stops its daemons starts them again."""
    try:
        with ceph_cluster() as cluster:
            yield cluster
    except NotInstalled as missing:
        pytest.skip(f"no Ceph to test with (Debian: {missing})")


@pytest.fixture(scope="session")
def one_iscsi_target() -> Iterator[Target]:
    """An iSCSI target: a tenth of a second to make."""
    try:
        with iscsi_target() as target:
            yield target
    except NoTarget as missing:
        pytest.skip(f"no iSCSI target to test with (Debian: {missing})")


@pytest.fixture
def iscsi(one_iscsi_target: Target) -> Target:
    """The iSCSI target, running, whatever a test before did to it."""
    if one_iscsi_target.process is None:
        one_iscsi_target.start()
    return one_iscsi_target
