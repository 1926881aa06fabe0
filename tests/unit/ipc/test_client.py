"""A client through the lives of workers and hosts."""

from __future__ import annotations

import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.ipc.callee import AT_ONCE_S, NEVER_A_PID, PATIENCE_S, SOON_S, later
from tierhost.ipc.client import HOST_PATIENCE_S, Client
from tierhost.ipc.errors import CallError, Code, DeadlineExceeded, NoSuchMethod, OutcomeUnknown, PeerAbsent, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.ipc.conftest import Hosts, Live
    from tests.unit.ipc.fake_host import FakeHost
    from tierhost.ipc.paths import Root

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


def test_a_shutdown_whose_answer_was_lost_is_done_when_the_host_took_its_name_away(
    client: Client, host: FakeHost, body: subprocess.Popen[bytes], root: Root
) -> None:
    def ended() -> Any:
        root.host_socket.unlink()
        body.kill()
        return NotImplemented

    host.methods["shutdown"] = ended
    assert client.host("shutdown") is None


def test_a_shutdown_of_a_host_that_died_of_it_is_not_taken_for_done(
    client: Client, host: FakeHost, body: subprocess.Popen[bytes]
) -> None:
    def died() -> Any:
        body.kill()
        return NotImplemented

    host.methods["shutdown"] = died
    with pytest.raises(OutcomeUnknown, match="it ended before it answered shutdown"):
        client.host("shutdown")


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
