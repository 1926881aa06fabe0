"""Pools of type netfs: mounts from other machines. A kernel without such a file system is named, and nothing else fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.storage.images import MOUNT, UMOUNT, mounted, need_mounts, run
from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.storage.backends.netfs import is_known_to_kernel

if TYPE_CHECKING:
    from tests.integration.storage.lives import Site

NFS = "<host name='192.0.2.1'/><dir path='/exports/disks'/><format type='nfs'/>"


@pytest.fixture(autouse=True)
def mounts() -> None:
    need_mounts()


def pool(site: Site, source: str = NFS) -> str:
    target = f"<target><path>{site.folder}/pool</path></target>"
    return f"<pool type='netfs'><name>{site.folder.name}</name><source>{source}</source>{target}</pool>"


def stand_in(site: Site, origin: str = "192.0.2.1:/exports/disks") -> None:
    """A mount by hand, under the name of what a server exports; what is behind it is memory."""
    run(MOUNT, "-t", "tmpfs", origin, site.folder / "pool")


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        ("nfs", NFS),
        ("cifs", "<host name='192.0.2.1'/><dir path='disks'/><format type='cifs'/>"),
    ],
)
def test_a_kernel_without_the_file_system_refuses_the_pool_and_nothing_else(site: Site, kind: str, source: str) -> None:
    if is_known_to_kernel(kind):
        pytest.skip(f"this kernel has {kind}")
    name = site.folder.name
    with site.life() as life:
        life.driver.storage_pool_define_xml(pool(site, source))
        life.driver.storage_pool_build(name)
        life.driver.storage_pool_set_autostart(name, True)
        with pytest.raises(DriverError, match=f"type {kind} are not supported by this kernel") as caught:
            life.driver.storage_pool_create(name)
        assert caught.value.code is Code.OPERATION_UNSUPPORTED
        assert mounted(site) == []
        assert life.context.run.intents() == {}
    with site.life(incarnation=2) as life:
        assert life.active() == []
        assert life.driver.storage_pool_get_info(name)["state"] == "inactive"


def test_a_mount_that_was_made_by_hand_is_taken_over_and_outlives_a_crash(site: Site) -> None:
    name = site.folder.name
    with site.life() as life:
        life.driver.storage_pool_define_xml(pool(site))
        life.driver.storage_pool_build(name)
        stand_in(site)
        life.driver.storage_pool_create(name)
        wanted = "<volume><name>disk</name><capacity>1024</capacity></volume>"
        life.driver.storage_vol_create_xml(name, wanted)
    with site.life(incarnation=2) as life:
        assert life.active() == [name]
        assert [found["name"] for found in life.driver.storage_vol_list(name)] == ["disk"]
        run(UMOUNT, site.folder / "pool")
        with pytest.raises(DriverError, match=r"192\.0\.2\.1:/exports/disks is not mounted at"):
            life.driver.storage_vol_list(name)
        stand_in(site)
        life.driver.storage_pool_refresh(name)
        life.driver.storage_pool_destroy(name)
        assert mounted(site) == []


def test_a_mount_of_somebody_else_is_left_alone(site: Site) -> None:
    name = site.folder.name
    with site.life() as life:
        life.driver.storage_pool_define_xml(pool(site))
        life.driver.storage_pool_build(name)
        stand_in(site, "192.0.2.2:/exports/disks")
        with pytest.raises(DriverError, match=r"192\.0\.2\.2:/exports/disks is mounted at") as caught:
            life.driver.storage_pool_create(name)
        assert caught.value.code is Code.RESOURCE_BUSY
        assert len(mounted(site)) == 1


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("<dir path='/d'/>", "there are 0 <host>"),
        ("<host name='h'/>", "<dir> is missing"),
        ("<host name='h'/><dir path='/d'/><format type='sheep'/>", "expected one of auto, nfs, cifs, glusterfs"),
        ("<host name='h,rw'/><dir path='/d'/>", "no host name"),
        ("<host name='h'/><dir path='/d'/><protocol ver='4,suid'/>", "the version of NFS"),
        (NFS + "<auth type='ceph' username='u'><secret usage='s'/></auth>", "not be safe"),
    ],
)
def test_a_definition_that_makes_no_sense_is_refused(site: Site, source: str, words: str) -> None:
    with site.life() as life, pytest.raises(DriverError, match=words):
        life.driver.storage_pool_define_xml(pool(site, source))
