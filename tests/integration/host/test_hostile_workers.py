"""Workers and strangers that lie, babble, flood and stay silent: they are evicted or ignored, told of, and cost nobody else."""

from __future__ import annotations

import os
import resource
import signal
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgpack
import pytest

from tests.integration.host import hostile
from tests.integration.host.conftest import Site, until
from tests.integration.host.drivers import Echo
from tests.integration.host.folders import configure
from tierhost.host.shell.publisher import EVENTS_KEPT
from tierhost.ipc.codec import decode, encode
from tierhost.ipc.limits import FRAME_BYTES_MAX, PROTOCOL
from tierhost.ipc.messages import (
    Assign,
    Happened,
    Hello,
    Inhibit,
    Leave,
    Message,
    Parked,
    PeerDown,
    Reply,
    Report,
    VerbDone,
)
from tierhost.ipc.wires import CONNECTIONS_MAX

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from tierhost.ipc.client import Client


FORGIVING = """\
[restart]
intensity_max = 1000
backoff_max_s = 0
"""


@pytest.fixture(scope="module")
def liars() -> Iterator[Site]:
    """A host with a worker that says what it is told to say, life after life, and an honest one."""
    made = Site(Path(tempfile.mkdtemp(prefix="th", dir="/tmp")))
    try:
        made.start(hostile.Liar, Echo, options=configure(made.folder, FORGIVING))
        yield made
    finally:
        made.tear_down()


@pytest.fixture
def honest(site: Site) -> Site:
    """A host that strangers come to."""
    site.start(Echo, options=configure(site.folder))
    return site


def untouched(site: Site) -> None:
    """The honest worker serves, and always has; and the host answers."""
    with site.client() as client:
        assert client.call("echo.echo", "hello", changes=False) == "hello"
    row = site.driver("echo")
    assert (row["phase"], row["incarnation"], row["last_error"]) == ("READY", 1, "")
    assert (row["objects"], row["degraded"]) == ({}, {})


PATIENCE_MS = 20_000
EVENTS = 10_000


def nested(levels: int) -> bytes:
    """A request that is nothing but lists in lists."""
    return b"\x91" * levels + b"\xc0"


LIES: dict[str, tuple[Callable[[int], bytes | Message], str]] = {
    "garbage": (lambda _: b"\xff\xfe\xfd", "not a message"),
    "nothing": (lambda _: b"", "not a message"),
    "depth": (lambda _: nested(100_000), "not a message"),
    "unknown": (lambda _: b"\x91\x7f", "no known kind of message"),
    "hello-again": (lambda life: Hello(PROTOCOL, "liar", life, ""), "it said hello a second time"),
    "hello-of-another": (
        lambda life: Hello(PROTOCOL, "echo", life, ""),
        "claims to be life {life} of 'echo', and is life {life}",
    ),
    "hello-of-a-later-life": (lambda life: Hello(PROTOCOL, "liar", life + 1, ""), "of 'liar', and is life {life} of 'liar'"),
    "parked-again": (lambda _: Parked(PROTOCOL, "liar"), "it parks"),
    "verb-not-ordered": (lambda life: VerbDone("liar", life, 99, "state_cleanup", "complete", ""), "nobody had asked for that"),
    "verb-of-another": (lambda _: VerbDone("echo", 1, 1, "state_stop", "complete", ""), "claims to be life 1 of 'echo'"),
    "report-on-another": (lambda _: Report("echo", 1, {"pools": {"lost": 7}}, {"echo": "is broken"}), "life 1 of 'echo'"),
    "event-of-another": (lambda _: Happened("echo", 1, "exploded", "echo", {}), "claims to be life 1 of 'echo'"),
    "inhibit-of-another": (lambda _: Inhibit("echo", 1, True, "never"), "claims to be life 1 of 'echo'"),
    "order-of-a-host": (lambda _: Assign({}, 1, 0, 1), "Assign"),
    "death-of-another": (lambda _: PeerDown("echo", 1), "PeerDown"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_worker_that_lies_or_babbles_is_evicted_with_the_lie_as_the_reason(liars: Site, lie: str) -> None:
    make, reason = LIES[lie]
    before = liars.wait_phase("liar", "READY")
    life = before["incarnation"]
    word = make(life)
    with liars.client() as client:
        # In its next life it is asked again, and says nothing.
        client.call("liar.say", [word if isinstance(word, bytes) else encode(word)], life, changes=False)
        row = liars.wait_phase("liar", "READY", above=life)
        assert reason.format(life=life) in row["last_error"]
        assert (row["incarnation"], row["restarts"]) == (life + 1, before["restarts"] + 1)
        assert client.host("status")["host"]["inhibitors"] == []
        assert not told(client, "exploded")
    untouched(liars)


def test_a_frame_over_the_limit_reaches_nobody_and_its_worker_is_heard_again_afterwards(liars: Site) -> None:
    life = liars.wait_phase("liar", "READY")["incarnation"]
    with liars.client() as client:
        assert client.call("liar.say", [FRAME_BYTES_MAX + 1], life, changes=False) == 1

        def heard() -> object:
            # What was said while the line broke went down with it.
            client.call("liar.report", 1, "drip")
            return told(client, "drip")

        until(heard, "it is connected again, and what it says is heard")
    assert liars.driver("liar")["incarnation"] == life
    untouched(liars)


def test_a_worker_that_floods_its_host_with_events_keeps_nobody_waiting_and_is_not_kept(liars: Site) -> None:
    life = liars.wait_phase("liar", "READY")["incarnation"]
    with liars.client() as client:
        client.call("liar.report", EVENTS, "flood")
        until(lambda: told(client, "flood"), "the first of it has arrived")
        for _ in range(20):
            assert client.call("echo.echo", "hello", changes=False, deadline_s=5.0) == "hello"
            assert client.host("status", deadline_s=5.0)["host"]["state"] == "ready"
        last = f"drop {EVENTS - 1}"
        until(lambda: told(client, "flood")[-1]["subject"] == last, "the oldest are lost first, the last one is heard")
        assert len(client.host("events_since", 0)) <= EVENTS_KEPT
    assert liars.driver("liar")["incarnation"] == life
    untouched(liars)


def told(client: Client, kind: str, source: str = "") -> list[dict[str, Any]]:
    """The events of this kind."""
    events: list[dict[str, Any]] = client.host("events_since", 0)
    return [event for event in events if event["kind"] == kind and event["source"].startswith(source)]


# Strangers at the host's socket.


@pytest.mark.parametrize(
    "word", [Hello(PROTOCOL, "echo", 1, "state_auto_start"), Hello(PROTOCOL, "echo", 7, ""), Parked(PROTOCOL, "")]
)
def test_a_stranger_that_says_it_is_a_worker_is_sent_away(honest: Site, word: Message) -> None:
    with hostile.stranger(honest) as line, honest.client() as client:
        line.send(encode(word))
        assert line.poll(PATIENCE_MS)
        assert decode(line.recv()) == Leave("this host does not know you")
        [event] = told(client, "stranger")
        assert event["subject"] == f"pid {os.getpid()}"
        assert f"is no process of this host, and says {type(word).__name__}" in event["details"]["what"]
    untouched(honest)


def test_a_stranger_under_a_worker_s_name_neither_speaks_for_it_nor_hears_for_it(honest: Site) -> None:
    identity = msgpack.unpackb((honest.root.lives / "echo").read_bytes())["identity"]
    with hostile.stranger(honest, identity.encode()) as line, honest.client() as client:
        for word in (Inhibit("echo", 1, True, "never"), VerbDone("echo", 1, 1, "state_stop", "failed", "")):
            line.send(encode(word))
        before = len(reloads(client))
        client.host("reload", "echo")
        until(lambda: len(reloads(client)) > before and honest.driver("echo")["phase"] == "READY", "the worker itself was asked")
        assert client.host("status")["host"]["inhibitors"] == []
        assert not line.poll(0)
    untouched(honest)


def reloads(client: Client) -> list[str]:
    return [line for line in client.host("story", "echo") if "RELOADING" in line]


def test_a_stranger_that_babbles_without_end_is_told_of_and_keeps_nobody_waiting(honest: Site) -> None:
    with hostile.stranger(honest) as line, honest.client() as client:
        for number in range(5_000):
            line.send(b"\xff" * (number % 100))
            line.send_multipart([b"many", b"frames", b"\xff"])
        for _ in range(20):
            assert client.host("status", deadline_s=5.0)["host"]["state"] == "ready"
        until(lambda: told(client, "malformed"), "that it is no message is told")
        [event] = until(lambda: told(client, "stranger"), "the one who says it is told")
        assert "speaks nonsense" in event["details"]["what"]
        assert len(told(client, "malformed")) < 20
    untouched(honest)


def test_connections_to_the_host_that_speak_no_zeromq_or_nothing_at_all_hinder_nobody(honest: Site) -> None:
    with ExitStack() as stack:
        for number in range(200):
            raw = stack.enter_context(hostile.caller(str(honest.root.host_socket)))
            raw.send(b"GET / HTTP/1.1\r\n\r\n" * (number % 3))
        with honest.client() as client:
            assert client.host("status")["host"]["state"] == "ready"
    untouched(honest)


# Strangers at a worker's door.


def answer(raw: socket.socket) -> Any:
    """The next answer on a bare connection; None if it is closed."""
    head = raw.recv(hostile.LENGTH.size)
    if not head:
        return None
    message = decode(raw.recv(hostile.LENGTH.unpack(head)[0]))
    assert isinstance(message, Reply)
    return message.value


def test_who_announces_a_message_over_the_limit_is_hung_up_on_and_told_of(honest: Site) -> None:
    with hostile.caller(hostile.door_of(honest, "echo")) as raw, honest.client() as client:
        raw.send(hostile.LENGTH.pack(FRAME_BYTES_MAX + 1) + b"x")
        assert answer(raw) is None
        [event] = until(lambda: told(client, "stranger", source="echo"), "it is told")
        assert (event["subject"], "over the limit" in event["details"]["what"]) == (f"pid {os.getpid()}", True)
    untouched(honest)


def test_half_a_message_and_silence_holds_nobody_up_and_may_be_completed(honest: Site) -> None:
    whole = hostile.asking("late")
    with ExitStack() as stack:
        silent = [stack.enter_context(hostile.caller(hostile.door_of(honest, "echo"))) for _ in range(100)]
        for number, raw in enumerate(silent):
            raw.send(whole[: number % len(whole)])
        with honest.client() as client:
            assert client.call("echo.echo", "in time", changes=False) == "in time"
        silent[-1].send(whole[99 % len(whole) :])
        assert answer(silent[-1]) == "late"
    untouched(honest)


@pytest.mark.parametrize("garbage", [b"\xff" * 1000, nested(100_000), encode(PeerDown("echo", 1)), b""])
def test_garbage_in_a_right_frame_gets_no_answer_and_what_follows_does(honest: Site, garbage: bytes) -> None:
    with hostile.caller(hostile.door_of(honest, "echo")) as raw, honest.client() as client:
        raw.sendall(hostile.LENGTH.pack(len(garbage)) + garbage + hostile.asking("sense"))
        assert answer(raw) == "sense"
        assert until(lambda: told(client, "stranger", source="echo"), "it is told")
    untouched(honest)


def test_a_caller_that_is_gone_before_its_answer_costs_the_worker_nothing(site: Site) -> None:
    site.start(hostile.Nodder, options=configure(site.folder))
    pid = site.driver("nodder")["pid"]
    for _ in range(3):
        with hostile.caller(hostile.door_of(site, "nodder")) as raw:
            os.kill(pid, signal.SIGSTOP)
            raw.send(hostile.asking("nobody hears", "nod"))
        # Now the question waits in the kernel, and who asked it has hung up.
        os.kill(pid, signal.SIGCONT)
        with site.client() as client:
            assert client.call("nodder.nod", "hello", changes=False) == "hello"
    assert site.driver("nodder")["pid"] == pid


def test_more_connections_than_a_worker_keeps_are_turned_away_until_some_are_gone(honest: Site) -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 2 * CONNECTIONS_MAX:
        pytest.skip("this user may not have so many files open")
    door = hostile.door_of(honest, "echo")
    with honest.client() as client, ExitStack() as stack:
        assert client.call("echo.echo", "first", changes=False) == "first"
        crowd = [stack.enter_context(hostile.caller(door)) for _ in range(CONNECTIONS_MAX + 20)]
        assert sum(is_served(raw) for raw in crowd) == CONNECTIONS_MAX - 1
        assert client.call("echo.echo", "still here", changes=False) == "still here"
    with hostile.caller(door) as raw:
        assert is_served(raw)
    untouched(honest)


def is_served(raw: socket.socket) -> bool:
    try:
        raw.sendall(hostile.asking("me too"))
        return bool(answer(raw) == "me too")
    except (BrokenPipeError, ConnectionResetError):
        return False
