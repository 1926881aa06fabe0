"""A way over CURVE: keys that fit, keys that do not, and a door that goes away in the middle of a call."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from tierhost.ipc.codec import decode, encode
from tierhost.ipc.curve import Lines, curve_key, is_key, new_pair, public_of
from tierhost.ipc.curve_door import CurveDoor
from tierhost.ipc.errors import AccessDenied, Code, DeadlineExceeded, DriverError, OutcomeUnknown, PeerAbsent
from tierhost.ipc.failures import failure_of
from tierhost.ipc.messages import Reply, Request
from tierhost.ipc.ways import TcpWay, UnixWay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE_S = 5.0
OURS = new_pair()
THEIRS = new_pair()


class Doorkeeper:
    """A door in a thread, that answers as it is told: with None, not at all."""

    def __init__(self, answer: Callable[[Request], Any], address: str = "tcp://127.0.0.1:*") -> None:
        self.seen: list[Request] = []
        self._answer = answer
        self._end = threading.Event()
        self.arrived = threading.Event()
        self._door = CurveDoor(address, THEIRS[1], lambda key, _: key == OURS[0])
        self.address = self._door.address
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._end.is_set():
            for knock in self._door.turn(0.02):
                request = decode(knock.data)
                assert isinstance(request, Request)
                self.seen.append(request)
                answer = self._answer(request)
                if answer is not None:
                    self._door.answer(knock.routing_id, encode(answer))
                self.arrived.set()
        self._door.turn(0)
        self._door.close()

    def close(self) -> None:
        self._end.set()
        self._thread.join()


@pytest.fixture
def lines() -> Iterator[Lines]:
    made = Lines()
    yield made
    made.close()


@pytest.fixture
def keeper() -> Iterator[Doorkeeper]:
    made = Doorkeeper(lambda request: Reply(request.call_id, 0, request.args))
    yield made
    made.close()


def ask(way: TcpWay, *, patience_s: float = PATIENCE_S, changes: bool = True) -> Any:
    end_s = time.monotonic() + patience_s
    return way.ask("secret.secret_list", [1, b"\x00"], {}, call_id=b"id", end_s=end_s, changes=changes)


def test_a_key_has_two_halves_that_belong_together() -> None:
    public, secret = new_pair()
    assert public_of(secret) == public
    assert is_key(public)
    assert not any(map(is_key, (None, "", public[:-1], public.upper() + "x", "g" * 64)))
    with pytest.raises(ValueError, match="64 hexadecimal"):
        curve_key("00")


def test_a_question_is_answered_and_carries_its_id_and_its_time(lines: Lines, keeper: Doorkeeper) -> None:
    way = TcpWay(lines, keeper.address, OURS[1], [THEIRS[0]])
    way.greet(time.monotonic() + PATIENCE_S)
    assert ask(way) == [1, b"\x00"]
    asked = keeper.seen[-1]
    assert (asked.call_id, asked.method, asked.attempt) == (b"id", "secret.secret_list", 2)
    assert 0 < asked.remaining_s <= PATIENCE_S
    way.close()


def test_the_second_of_two_keys_is_tried_when_the_first_does_not_fit(lines: Lines, keeper: Doorkeeper) -> None:
    way = TcpWay(lines, keeper.address, OURS[1], [new_pair()[0], THEIRS[0]])
    assert ask(way) == [1, b"\x00"]
    way.close()


@pytest.mark.parametrize(
    ("secret", "server", "words"),
    [(new_pair()[1], THEIRS[0], "allow list"), (OURS[1], new_pair()[0], "not the one we expect")],
    ids=["of an unknown caller", "of another server"],
)
def test_a_key_that_does_not_fit_is_a_refusal(lines: Lines, keeper: Doorkeeper, secret: str, server: str, words: str) -> None:
    with pytest.raises(AccessDenied, match=words) as caught:
        ask(TcpWay(lines, keeper.address, secret, [server]))
    assert caught.value.code is Code.AUTH_FAILED
    assert keeper.seen == []


def test_an_error_there_is_raised_here_as_it_was(lines: Lines) -> None:
    error = DriverError("no", code=Code.NO_SECRET, subject="secret x", hint="define it")
    keeper = Doorkeeper(lambda request: failure_of(error, request.call_id, 0))
    way = TcpWay(lines, keeper.address, OURS[1], [THEIRS[0]])
    with pytest.raises(DriverError, match="no") as caught:
        ask(way)
    assert (caught.value.code, caught.value.subject, caught.value.hint) == (Code.NO_SECRET, "secret x", "define it")
    way.close()
    keeper.close()


def test_a_door_that_never_answers_costs_the_deadline(lines: Lines) -> None:
    keeper = Doorkeeper(lambda _: None)
    way = TcpWay(lines, keeper.address, OURS[1], [THEIRS[0]])
    with pytest.raises(DeadlineExceeded):
        ask(way, patience_s=0.3)
    way.close()
    keeper.close()


def test_a_call_under_way_is_asked_again_at_the_next_door_with_the_same_id(lines: Lines) -> None:
    first = Doorkeeper(lambda _: None)
    way = TcpWay(lines, first.address, OURS[1], [THEIRS[0]])
    found: list[Any] = []
    asking = threading.Thread(target=lambda: found.append(ask(way)))
    asking.start()
    assert first.arrived.wait(PATIENCE_S)
    first.close()
    second = Doorkeeper(lambda request: Reply(request.call_id, 0, "recorded"), first.address)
    asking.join(PATIENCE_S)
    assert found == ["recorded"]
    assert second.seen[0].call_id == first.seen[0].call_id
    assert second.seen[0].attempt > first.seen[0].attempt
    second.close()
    way.close()


@pytest.mark.parametrize(("changes", "kind"), [(True, OutcomeUnknown), (False, DeadlineExceeded)])
def test_what_nobody_can_know_is_said_to_be_unknown(lines: Lines, changes: bool, kind: type[Exception]) -> None:
    keeper = Doorkeeper(lambda _: None)
    way = TcpWay(lines, keeper.address, OURS[1], [THEIRS[0]])
    found: list[BaseException] = []

    def asking() -> None:
        with pytest.raises(kind) as caught:
            ask(way, patience_s=1.0, changes=changes)
        found.append(caught.value)

    thread = threading.Thread(target=asking)
    thread.start()
    assert keeper.arrived.wait(PATIENCE_S)
    keeper.close()
    thread.join(PATIENCE_S)
    assert len(found) == 1


def test_nobody_there_and_somebody_silent_are_told_in_bounded_time(lines: Lines) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(PeerAbsent, match="nobody answers there"):
            ask(TcpWay(lines, address, OURS[1], [THEIRS[0]]))
        silent.listen()
        with pytest.raises(PeerAbsent, match="handshake in time"):
            ask(TcpWay(lines, address, OURS[1], [THEIRS[0]]), patience_s=0.3)


def test_a_root_without_a_host_is_absent(tmp_path: Path) -> None:
    from tierhost.ipc.paths import Root  # noqa: PLC0415

    way = UnixWay(Root.under(tmp_path))
    with pytest.raises(PeerAbsent, match="no host runs"):
        way.greet(time.monotonic() + PATIENCE_S)
    with pytest.raises(PeerAbsent, match="no host runs"):
        way.ask("secret.secret_list", [], {}, call_id=b"id", end_s=time.monotonic() + 1.0, changes=False)
    way.close()


def test_an_address_that_is_taken_is_an_error_of_the_system() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            CurveDoor(f"tcp://127.0.0.1:{taken.getsockname()[1]}", THEIRS[1], lambda *_: True)
