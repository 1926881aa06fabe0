"""A client follows who is up, whatever of it is heard, lost or late, through the lives of workers and hosts."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.unit.ipc.callee import AT_ONCE_S, PATIENCE_S, SOON_S, later, silence
from tierhost.ipc.client import Client
from tierhost.ipc.directory import Entry
from tierhost.ipc.errors import OutcomeUnknown

if TYPE_CHECKING:
    from tests.unit.ipc.conftest import Hosts, Live, Start
    from tests.unit.ipc.fake_host import FakeHost
    from tierhost.ipc.paths import Root


def test_a_life_known_from_the_picture_is_called(host: FakeHost, root: Root, live: Live) -> None:
    host.up(live().entry, heard=False)
    with Client(root, deadline_s=PATIENCE_S) as client:
        assert client.call("storage.echo", "hello") == "hello"


def test_a_life_known_from_the_news_is_called(client: Client, host: FakeHost, live: Live) -> None:
    callee = live()
    timer = later(host.up, callee.entry)
    assert client.call("storage.echo", "hello", flag=1) == "hello"
    timer.join()
    assert callee.heard[0].caller == ""


def test_a_death_in_the_news_moves_the_call_to_the_next_life(client: Client, host: FakeHost, live: Live) -> None:
    first, second = live(silence), live(incarnation=2)
    host.up(first.entry)

    def succeed() -> None:
        assert first.came.acquire(timeout=PATIENCE_S)
        host.down(first.entry)
        host.up(second.entry)

    thread = threading.Thread(target=succeed)
    thread.start()
    start_s = time.monotonic()
    assert client.call("storage.echo", "again", changes=False) == "again"
    assert time.monotonic() - start_s < AT_ONCE_S
    thread.join()


def test_news_that_was_lost_is_made_up_for(client: Client, host: FakeHost, live: Live) -> None:
    host.up(live().entry, heard=False)
    assert client.call("storage.echo", "found") == "found"


def test_a_death_that_nobody_told_shows_in_the_picture(client: Client, host: FakeHost, live: Live) -> None:
    first, second = live(silence), live(incarnation=2)
    host.up(first.entry)
    client.wait_until(lambda: client._following.directory.find("storage"), "the first life is known")
    host.up(second.entry, heard=False)
    assert client.call("storage.echo", "moved", changes=False) == "moved"


def test_a_gap_in_the_events_is_noticed(client: Client, host: FakeHost, live: Live) -> None:
    host.up(live().entry, heard=False)
    host.say("tick")
    client.wait_until(lambda: client._following.directory.find("storage"), "the life is known")


def test_a_picture_older_than_the_news_buries_nobody(client: Client, host: FakeHost, live: Live) -> None:
    old = {"number": host.number, "lives": []}
    host.up(live().entry)
    client.wait_until(lambda: client._following.directory.find("storage"), "the life is known")
    client._following.look(old)
    assert client.call("storage.echo", "alive") == "alive"


def test_a_worker_that_a_new_host_has_yet_to_take_over_is_called_all_the_while(
    client: Client, host: FakeHost, start_host: Hosts, live: Live
) -> None:
    callee = live()
    host.up(callee.entry)
    assert client.call("storage.echo", "before") == "before"
    host.stop()
    following = start_host(number=5000)
    client._following.look({"number": 5000, "lives": []})
    assert client.call("storage.echo", "meanwhile", deadline_s=SOON_S) == "meanwhile"
    following.up(callee.entry)
    assert client.call("storage.echo", "after") == "after"


def test_a_life_that_is_not_in_the_picture_and_does_not_answer_is_over(client: Client, host: FakeHost, root: Root) -> None:
    host.up(Entry("storage", 1, str(root.worker_socket("storage", 1)), 1))
    client.wait_until(lambda: client._following.directory.find("storage"), "the life is known")
    client._following.look({"number": host.number, "lives": []})
    assert client._following.directory.find("storage") is None


def test_workers_are_called_while_there_is_no_host(client: Client, host: FakeHost, live: Live) -> None:
    host.up(live().entry)
    assert client.call("storage.echo", "before") == "before"
    host.stop()
    assert client.call("storage.echo", "without") == "without"


def test_the_next_host_is_followed(client: Client, host: FakeHost, start_host: Hosts, live: Live) -> None:
    first = live(silence)
    host.up(first.entry)
    client.wait_until(lambda: client._following.directory.find("storage"), "the first life is known")
    host.stop()
    second = live(incarnation=2)
    following = start_host(number=5000)
    following.up(second.entry, heard=False)
    assert client.call("storage.echo", "with the next", changes=False) == "with the next"


def test_a_killed_worker_is_noticed_while_there_is_no_host(client: Client, host: FakeHost, root: Root, start_peer: Start) -> None:
    path = root.worker_socket("storage", 1)
    process = start_peer("hangs", path)
    host.up(Entry("storage", 1, str(path), process.pid))
    client.wait_until(lambda: client._following.directory.find("storage"), "the life is known")
    host.stop()
    timer = later(process.kill)
    with pytest.raises(OutcomeUnknown, match="the worker died"):
        client.call("storage.create", deadline_s=10 * SOON_S)
    timer.join()
