"""Links to remote pools: one per pool, with the key as it is when it is needed."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from tierhost.workers.storage import backend
from tierhost.workers.storage.backend import PoolBackend
from tierhost.workers.storage.links import Links
from tierhost.workers.storage.options import Options
from tierhost.workers.storage.pool_xml import PoolDefinition
from tierhost.workers.storage.source_xml import Auth, Source

if TYPE_CHECKING:
    from tierhost.workers.runtime.contract import Context

POOL = PoolDefinition("p", "1", "rbd", "", Source(auth=Auth("ceph", "u", secret_usage="s")), xml="<a/>")


@dataclass
class FakeLink:
    key: bytes
    usable: bool = True
    closed: bool = False

    def is_usable(self) -> bool:
        return self.usable and not self.closed

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeRemote(PoolBackend):
    """Stands in for a back end whose storage is somewhere else."""

    made: list[FakeLink] = field(default_factory=list)
    remote = True

    def connect(self, definition: PoolDefinition, key: bytes, options: Options) -> FakeLink:
        self.made.append(FakeLink(key))
        return self.made[-1]


class FakeContext:
    """Has nothing but a secret, which changes."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []

    @property
    def services(self) -> Any:
        return self

    secret = services

    def get_value(self, **query: str) -> bytes:
        self.asked.append(query)
        return f"key {len(self.asked)}".encode()


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> FakeRemote:
    made = FakeRemote()
    monkeypatch.setitem(backend._LOADED, "rbd", made)
    return made


@pytest.fixture
def links(remote: FakeRemote) -> Links:
    return Links(cast("Context", FakeContext()), Options())


def test_a_link_is_made_once_and_used_again(links: Links, remote: FakeRemote) -> None:
    assert links.get(POOL) is None
    links.reach(POOL)
    links.reach(POOL)
    assert [link.key for link in remote.made] == [b"key 1"]
    assert links.get(POOL) is remote.made[0]


def test_a_link_that_is_no_longer_usable_is_replaced_with_the_key_as_it_is_now(links: Links, remote: FakeRemote) -> None:
    links.reach(POOL)
    remote.made[0].usable = False
    assert links.get(POOL) is None
    links.reach(POOL)
    assert [link.key for link in remote.made] == [b"key 1", b"key 2"]
    assert remote.made[0].closed


def test_another_definition_of_the_pool_has_another_link(links: Links, remote: FakeRemote) -> None:
    links.reach(POOL)
    other = replace(POOL, xml="<b/>")
    assert links.get(other) is None
    links.reach(other)
    assert remote.made[0].closed
    assert links.get(other) is remote.made[1]


def test_of_many_who_want_the_same_link_one_makes_it(links: Links, remote: FakeRemote) -> None:
    threads = [threading.Thread(target=links.reach, args=(POOL,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(remote.made) == 1


def test_links_are_dropped_and_closed(links: Links, remote: FakeRemote) -> None:
    links.reach(POOL)
    links.drop("1")
    links.drop("1")
    links.reach(POOL)
    links.close()
    assert all(link.closed for link in remote.made)
    assert links.get(POOL) is None


def test_a_pool_on_this_machine_has_none(links: Links) -> None:
    files = PoolDefinition("files", "2", "dir", "/srv/files")
    links.reach(files)
    assert links.get(files) is None
