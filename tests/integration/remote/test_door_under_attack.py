"""Whoever knocks with garbage, half a handshake, a flood or no key at all costs the door nothing that others notice."""

from __future__ import annotations

import os
import random
import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from tests.integration.remote.conftest import until
from tierhost.ipc.codec import decode, encode
from tierhost.ipc.curve import Lines, new_pair
from tierhost.ipc.limits import FRAME_BYTES_MAX
from tierhost.ipc.messages import Failure, Leave, Reply, Request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.remote.conftest import Pair
    from tierhost.ipc.curve import CurveLine

GREETING_OF_ZMTP = b"\xff" + bytes(8) + b"\x7f\x03\x00"
BOUND_S = 5.0


@pytest.fixture(scope="module")
def guarded(pair: Pair) -> Pair:
    """A connection that must go on to work."""
    pair.introduce(name="honest")
    pair.call("connect_open", "honest")
    return pair


@contextmanager
def nothing_happens(pair: Pair) -> Iterator[None]:
    """Calls through the door and beside it are answered during the attack and after it, by the same life."""
    until(lambda: pair.alive("honest"), "the honest connection is there")
    before = pair.there.driver("remote")["pid"]
    yield
    assert pair.over("honest", "secret.secret_list", deadline_s=BOUND_S) == pair.at("secret.secret_list")
    assert pair.there.driver("remote")["pid"] == before
    assert pair.alive("honest")


@contextmanager
def listed(pair: Pair, name: str) -> Iterator[CurveLine]:
    """A line of our own with a key that is on the list: what comes over it is nothing that the driver would send."""
    public, secret = new_pair()
    pair.at("remote.remote_allow", name, public, ["secret.*", "tally.*"])
    lines = Lines()
    line = lines.line(pair.there.address, secret, pair.at("remote.remote_get_door")["public"])
    try:
        end_s = time.monotonic() + BOUND_S
        while not line.connected and time.monotonic() < end_s:
            line.wait(end_s)
        assert line.connected
        yield line
    finally:
        line.close()
        lines.close()


def ask(line: CurveLine, number: int, method: str, *args: Any) -> None:
    request = Request(number.to_bytes(4, "big"), 0, method, list(args), {}, BOUND_S, "", 0, 1)
    assert line.send(encode(request), time.monotonic() + BOUND_S)


def answers(line: CurveLine, count: int) -> list[Reply | Failure]:
    found: list[Reply | Failure] = []
    end_s = time.monotonic() + BOUND_S
    while len(found) < count and time.monotonic() < end_s and line.end is None:
        while (data := line.receive()) is not None:
            message = decode(data)
            assert isinstance(message, Reply | Failure)
            found.append(message)
        line.wait(min(end_s, time.monotonic() + 0.05))
    return found


def test_bytes_that_are_no_handshake_are_let_go_of(guarded: Pair) -> None:
    chance = random.Random(14)
    with nothing_happens(guarded):
        for number in range(40):
            with socket.create_connection(("127.0.0.1", guarded.there.port)) as raw:
                raw.sendall((GREETING_OF_ZMTP if number % 2 else b"") + chance.randbytes(chance.randrange(1, 400)))


def test_half_open_connections_keep_nobody_out_and_are_let_go_of(guarded: Pair) -> None:
    with nothing_happens(guarded), ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(("127.0.0.1", guarded.there.port))) for _ in range(300)]
        guarded.over("honest", "secret.secret_list", deadline_s=BOUND_S)
        began_s = time.monotonic()
        for raw in silent:
            raw.settimeout(10.0)
            while raw.recv(100):
                pass
        assert time.monotonic() - began_s < 10.0


def test_a_plain_client_gets_nothing(guarded: Pair) -> None:
    with nothing_happens(guarded), zmq.Context() as context, context.socket(zmq.DEALER) as plain:
        plain.setsockopt(zmq.LINGER, 0)
        plain.connect(guarded.there.address)
        plain.send(encode(Request(b"1", 0, "door.greet", [], {}, 1.0, "", 0, 1)))
        assert not plain.poll(500)


def test_garbage_from_a_listed_key_gets_no_answer_and_the_next_question_gets_one(guarded: Pair) -> None:
    chance = random.Random(15)
    good = encode(Request(b"1", 0, "secret.secret_list", [], {}, 1.0, "", 0, 1))
    with nothing_happens(guarded), listed(guarded, "vandal") as line:
        for _ in range(200):
            bad = bytearray(good)
            for _ in range(chance.randrange(1, 6)):
                bad[chance.randrange(len(bad))] = chance.randrange(256)
            line.send(bytes(bad[: chance.randrange(1, len(bad) + 1)]), time.monotonic() + BOUND_S)
        line.send(encode(Leave("go away")), time.monotonic() + BOUND_S)
        ask(line, 7, "secret.secret_list")
        until(lambda: any(each.call_id == (7).to_bytes(4, "big") for each in answers(line, 1)), "the good question is answered")


def test_a_message_over_the_limit_ends_its_own_connection_only(guarded: Pair) -> None:
    with nothing_happens(guarded), listed(guarded, "heavy") as line:
        line.send(bytes(FRAME_BYTES_MAX + 1), time.monotonic() + BOUND_S)
        end_s = time.monotonic() + BOUND_S
        while line.end is None and time.monotonic() < end_s:
            line.wait(end_s)
        assert line.end is not None


def test_a_flood_of_one_key_is_busy_for_that_key_only(guarded: Pair, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with nothing_happens(guarded), listed(guarded, "flooder") as line:
        for number in range(40):
            ask(line, number, "tally.add", str(gate))
        busy = answers(line, 24)
        assert [each.kind for each in busy if isinstance(each, Failure)] == ["Busy"] * 24
        guarded.over("honest", "secret.secret_list", deadline_s=BOUND_S)
        opened = threading.Thread(target=_let_through, args=(gate, 16))
        opened.start()
        assert all(isinstance(each, Reply) for each in answers(line, 16))
        opened.join(BOUND_S)


def _let_through(gate: Path, count: int) -> None:
    """Open the gate until everybody is through: each waits for an end of its own."""
    end_s = time.monotonic() + BOUND_S
    while count and time.monotonic() < end_s:
        try:
            os.close(os.open(gate, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            if time.monotonic() > end_s - BOUND_S + 2.0:
                return
