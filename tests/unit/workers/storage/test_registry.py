"""Pools by name and uuid, and what two pools may not share."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.storage.pool_xml import PoolDefinition
from tierhost.workers.storage.registry import Pool, Pools
from tierhost.workers.storage.source_xml import Source

IMAGES = PoolDefinition("images", "11111111-0000-4000-8000-000000000001", "dir", "/srv/images")
VAULT = PoolDefinition("vault", "11111111-0000-4000-8000-000000000002", "fs", "/srv/vault", Source("/srv/v.img", "ext4"))


@pytest.fixture
def pools() -> Pools:
    found = Pools()
    found.put(Pool(IMAGES))
    found.put(Pool(VAULT, VAULT))
    return found


@pytest.mark.parametrize("name", ["images", IMAGES.uuid, IMAGES.uuid.upper()])
def test_a_pool_is_found_by_name_and_by_uuid(pools: Pools, name: str) -> None:
    assert pools.find(name).definition is IMAGES


@pytest.mark.parametrize("name", ["", "nothing", 3, None, ["images"]])
def test_what_is_no_pool_is_not_found(pools: Pools, name: object) -> None:
    with pytest.raises(DriverError, match="no storage pool") as caught:
        pools.find(name)
    assert caught.value.code is Code.NO_STORAGE_POOL


def test_an_inactive_pool_is_named_with_the_next_step(pools: Pools) -> None:
    with pytest.raises(DriverError, match=r"pool images: .*storage_pool_create images") as caught:
        pools.find_active("images")
    assert caught.value.code is Code.OPERATION_INVALID
    assert pools.find_active("vault").active


def test_a_pool_is_found_by_its_directory(pools: Pools) -> None:
    found = pools.at("/srv/vault")
    assert found is not None
    assert found.name == "vault"
    assert pools.at("/srv") is None


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (replace(IMAGES, uuid="22222222-0000-4000-8000-000000000000"), "already exists with uuid"),
        (replace(IMAGES, name="other"), "is called 'images'"),
        (replace(IMAGES, name="other", uuid="2"), "'images' uses /srv/images"),
        (replace(VAULT, name="other", uuid="2", target="/elsewhere"), "'vault' uses /srv/v.img"),
        (replace(IMAGES, name="other", uuid="2", target="/srv/vault"), "'vault' uses /srv/vault"),
    ],
)
def test_pools_share_neither_name_nor_uuid_nor_place(pools: Pools, wanted: PoolDefinition, words: str) -> None:
    with pytest.raises(DriverError, match=words), pools.claiming(wanted):
        pass


def test_a_pool_may_be_defined_again(pools: Pools) -> None:
    with pools.claiming(replace(IMAGES, target="/srv/other")):
        pass


def test_a_name_is_taken_while_its_pool_is_being_made(pools: Pools) -> None:
    new = PoolDefinition("new", "3", "dir", "/srv/new")
    with pools.claiming(new):
        with pytest.raises(DriverError, match="already exists"), pools.claiming(replace(new, uuid="4")):
            pass
        with pytest.raises(DriverError, match="right now"), pools.claiming(replace(new)):
            pass
    with pools.claiming(replace(new, uuid="4")):
        pass


def test_a_dropped_pool_is_gone_by_both_names(pools: Pools) -> None:
    pools.drop(IMAGES.uuid)
    assert pools.get("images") is None
    assert pools.get(IMAGES.uuid) is None
    assert [pool.name for pool in pools.all()] == ["vault"]
