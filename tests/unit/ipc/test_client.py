"""A client through the lives of workers and hosts."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.ipc.callee import NEVER_A_PID, FakeCallee, echo, silence
from tests.unit.ipc.fake_host import FakeHost
from tierhost.ipc.client import HOST_PATIENCE_S, Client
from tierhost.ipc.directory import Entry
from tierhost.ipc.errors import CallError, Code, DeadlineExceeded, NoSuchMethod, OutcomeUnknown, PeerAbsent, ProtocolError
from tierhost.ipc.paths import Root

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.ipc.callee import Say
    from tests.unit.ipc.conftest import Start
    from tierhost.ipc.sockets import Sockets

SOON_S = 0.05
PATIENCE_S = 10.0
AT_ONCE_S = 3.0

Hosts = Callable[..., FakeHost]
Live = Callable[..., FakeCallee]


@pytest.fixture
def root(folder: Path) -> Root:
    made = Root.under(folder)
    (made.run / "workers").mkdir(parents=True)
    return made


@pytest.fixture
def start_host(sockets: Sockets, root: Root) -> Iterator[Hosts]:
    hosts: list[FakeHost] = []

    def start(**words: Any) -> FakeHost:
        hosts.append(FakeHost(sockets, root, **words))
        return hosts[-1]

    yield start
    for host in hosts:
        host.stop()


@pytest.fixture
def host(start_host: Hosts) -> FakeHost:
    return start_host()


@pytest.fixture
def client(host: FakeHost, root: Root) -> Iterator[Client]:
    with Client(root, deadline_s=PATIENCE_S) as made:
        hear(made, host)
        yield made


@pytest.fixture
def live(sockets: Sockets, root: Root) -> Iterator[Live]:
    lives: list[FakeCallee] = []

    def begin(incarnation: int = 1, say: Say = echo) -> FakeCallee:
        lives.append(FakeCallee(sockets, root.run / "workers", say, incarnation=incarnation))
        return lives[-1]

    yield begin
    for callee in lives:
        callee.stop()


def hear(client: Client, host: FakeHost) -> None:
    """Wait until the client's subscription has reached the host: before that, events are lost on the way."""
    before = host.number

    def heard() -> bool:
        host.say("tick")
        return client._following._number > before

    client.wait_until(heard, "the client hears the host")


def later(work: Callable[..., object], *args: object) -> threading.Timer:
    timer = threading.Timer(SOON_S, work, args)
    timer.start()
    return timer


# Connecting.


def test_without_a_host_the_client_says_how_to_start_one_at_once(root: Root) -> None:
    start_s = time.monotonic()
    with pytest.raises(PeerAbsent, match=r"no host runs on .*tierhost up"):
        Client(root)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(root.host_socket))
    with pytest.raises(PeerAbsent, match="no host runs on"):
        Client(root)
    assert time.monotonic() - start_s < AT_ONCE_S


def test_a_host_that_hangs_costs_the_deadline_and_is_told_from_none(root: Root) -> None:
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(str(root.host_socket))
        hung.listen()
        with pytest.raises(PeerAbsent, match=r"does not answer .*hangs"):
            Client(root, deadline_s=SOON_S)


@pytest.mark.parametrize("picture", [None, {}, {"number": 1, "lives": [{"driver": "storage"}]}, {"number": "x", "lives": []}])
def test_a_host_with_an_unreadable_directory_is_an_error(host: FakeHost, root: Root, picture: Any) -> None:
    host.methods["directory"] = lambda: picture
    with pytest.raises(ProtocolError, match="directory is not readable"):
        Client(root, deadline_s=PATIENCE_S)


# Calling.


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
    first, second = live(1, silence), live(2)
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
    first, second = live(1, silence), live(2)
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


def test_workers_are_called_while_there_is_no_host(client: Client, host: FakeHost, live: Live) -> None:
    host.up(live().entry)
    assert client.call("storage.echo", "before") == "before"
    host.stop()
    assert client.call("storage.echo", "without") == "without"


def test_the_next_host_is_followed(client: Client, host: FakeHost, start_host: Hosts, live: Live) -> None:
    first = live(1, silence)
    host.up(first.entry)
    client.wait_until(lambda: client._following.directory.find("storage"), "the first life is known")
    host.stop()
    second = live(2)
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


@pytest.mark.parametrize("method", ["storage", "", ".echo", "storage."])
def test_what_names_no_method_is_said_to_be_so(client: Client, method: str) -> None:
    with pytest.raises(CallError, match=r"say DRIVER\.METHOD") as caught:
        client.call(method)
    assert caught.value.code is Code.INVALID_ARG


@pytest.mark.parametrize("method", ["storage.echo", "host.status", "storage." + "e" * 100])
def test_arguments_that_cannot_travel_are_an_error_for_people(client: Client, host: FakeHost, live: Live, method: str) -> None:
    host.up(live().entry)
    with pytest.raises(CallError) as caught:
        client.call(method, 2**70)
    assert caught.value.code is Code.INVALID_ARG


# Asking the host.


def test_the_host_is_asked_by_either_name(client: Client, host: FakeHost) -> None:
    host.methods["status"] = lambda: {"host": {"pid": 1}}
    assert client.host("status") == client.call("host.status") == {"host": {"pid": 1}}
    with pytest.raises(NoSuchMethod):
        client.host("undo")


@pytest.fixture
def body(root: Root) -> Iterator[subprocess.Popen[bytes]]:
    """Give the fake host a process that can be killed."""
    process = subprocess.Popen(["sleep", "60"])
    root.lock.write_text(f"{process.pid}\n")
    yield process
    process.kill()
    process.wait()


def test_a_question_lost_with_a_host_is_asked_of_the_next_one_at_once(
    client: Client, host: FakeHost, start_host: Hosts, body: subprocess.Popen[bytes]
) -> None:
    host.methods["status"] = lambda: NotImplemented

    def replace() -> None:
        host.stop()
        body.kill()
        start_host(number=5000).methods["status"] = lambda: "the next one"

    timer = later(replace)
    start_s = time.monotonic()
    assert client.host("status") == "the next one"
    assert time.monotonic() - start_s < HOST_PATIENCE_S
    timer.join()


def test_a_question_to_a_host_whose_death_nobody_sees_is_asked_again(
    client: Client, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tierhost.ipc.client.HOST_PATIENCE_S", SOON_S)
    answers = [NotImplemented, "heard"]
    host.methods["status"] = lambda: answers.pop(0)
    assert client.host("status") == "heard"


def test_a_host_that_never_answers_costs_the_deadline(client: Client, host: FakeHost) -> None:
    host.methods["status"] = host.methods["shutdown"] = lambda: NotImplemented
    for method in ("status", "shutdown"):
        with pytest.raises(DeadlineExceeded, match=f"host: {method} was not answered in time"):
            client.host(method, deadline_s=SOON_S)
    assert host.asked.count("shutdown") == 1


def test_a_change_lost_with_its_host_is_not_asked_again_and_not_waited_for(
    client: Client, host: FakeHost, body: subprocess.Popen[bytes]
) -> None:
    host.methods["worker_restart"] = lambda _: NotImplemented
    timer = later(body.kill)
    start_s = time.monotonic()
    with pytest.raises(OutcomeUnknown, match="host: it ended before it answered worker_restart"):
        client.host("worker_restart", "storage")
    assert time.monotonic() - start_s < AT_ONCE_S
    timer.join()
    assert host.asked.count("worker_restart") == 1


# Events.


def test_kept_events_come_first_then_what_happens_without_gap_or_repetition(client: Client, host: FakeHost) -> None:
    since = host.number
    for name in ("a", "b"):
        host.say("happened", name)
    stream = client.events(since, follow=True, timeout_s=PATIENCE_S)
    assert [next(stream).subject for _ in range(2)] == ["a", "b"]
    host.say("happened", "c")
    host.say("happened", "lost", heard=False)
    host.say("happened", "d")
    # Other questions in between take events off the wire, and must not take them from the stream.
    client.host("directory")
    assert [next(stream).subject for _ in range(3)] == ["c", "lost", "d"]
    stream.close()
    assert client._following._followers == []


def test_events_without_following_end(client: Client, host: FakeHost) -> None:
    since = host.number
    host.say("happened", "a")
    assert [event.subject for event in client.events(since)] == ["a"]
    assert list(client.events(since + 1, follow=True, timeout_s=SOON_S)) == []


def test_a_condition_is_looked_at_when_something_happens(client: Client, host: FakeHost, live: Live) -> None:
    callee = live()
    timer = later(host.up, callee.entry)
    entry = client.wait_until(lambda: client._following.directory.find("storage"), "storage is up")
    assert entry.endpoint == callee.entry.endpoint
    assert entry.pid == NEVER_A_PID
    timer.join()


def test_a_condition_that_never_holds_is_named_at_the_deadline(client: Client) -> None:
    with pytest.raises(DeadlineExceeded, match="pigs fly"):
        client.wait_until(lambda: None, "pigs fly", deadline_s=SOON_S)
