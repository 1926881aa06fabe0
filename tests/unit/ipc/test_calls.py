"""Calls over real sockets, and through every way a callee can fail."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.unit.ipc.callee import AT_ONCE_S, NEVER_A_PID, PATIENCE_S, SOON_S, call, silence
from tierhost.ipc.codec import NotInLanguage, encode
from tierhost.ipc.directory import Directory, Entry
from tierhost.ipc.errors import (
    KINDS,
    Busy,
    CallError,
    Code,
    DeadlineExceeded,
    DriverError,
    PeerAbsent,
    ProtocolError,
)
from tierhost.ipc.failures import error_of, failure_of
from tierhost.ipc.limits import TEXT_CHARS_MAX
from tierhost.ipc.messages import Answer, Failure, Leave, Reply, Request
from tierhost.ipc.wires import Gate

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.ipc.conftest import Live
    from tierhost.ipc.calls import Caller

# When all goes well.


def test_a_call_is_answered(caller: Caller, live: Live) -> None:
    callee = live()
    assert call(caller, "echo", {"deep": [1, None, b"x"]}, flag=True) == {"deep": [1, None, b"x"]}
    [request] = callee.heard
    assert (request.method, request.kwargs, request.attempt) == ("echo", {"flag": True}, 1)
    assert (request.caller, request.caller_incarnation, request.incarnation) == ("qemu", 4, 1)
    assert 0 < request.remaining_s <= PATIENCE_S


def test_every_call_has_an_id_of_its_own(caller: Caller, live: Live) -> None:
    callee = live()
    for _ in range(50):
        call(caller)
    assert len({request.call_id for request in callee.heard}) == 50


def test_a_call_id_that_is_given_is_used(caller: Caller, live: Live) -> None:
    callee = live()
    caller.call("storage", "echo", deadline_s=time.monotonic() + PATIENCE_S, changes=True, call_id=b"mine")
    assert callee.heard[0].call_id == b"mine"


# Errors.


def test_an_error_of_the_callee_arrives_as_what_it_is(caller: Caller, live: Live) -> None:
    def fail(request: Request) -> list[Answer]:
        error = DriverError("no such pool", code=Code.NO_STORAGE_POOL, subject="pool images", hint="define it")
        return [failure_of(error, request.call_id, 1)]

    live(fail)
    with pytest.raises(DriverError, match=r"pool images: no such pool \(define it\)") as caught:
        call(caller)
    assert caught.value.code is Code.NO_STORAGE_POOL


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.__name__)
def test_every_kind_of_error_survives_the_journey(kind: type[DriverError]) -> None:
    back = error_of(failure_of(kind("text", subject="pool x", hint="do"), b"id", 1))
    assert type(back) is kind
    assert (back.code, back.text, back.subject, back.hint) == (kind.code, "text", "pool x", "do")


def test_an_error_nobody_knows_stays_an_error() -> None:
    back = error_of(Failure(b"id", 1, "QuantumError", 99_999, "entangled", "", ""))
    assert (type(back), back.code) == (CallError, Code.INTERNAL_ERROR)


def test_an_error_of_a_class_of_the_drivers_own_travels_as_its_base() -> None:
    class PoolError(DriverError):
        """A driver's own."""

    assert failure_of(PoolError("gone"), b"id", 1).kind == "DriverError"


def test_an_error_with_a_text_that_cannot_travel_travels() -> None:
    failure = failure_of(DriverError("\udcff" * 2 * TEXT_CHARS_MAX, subject="\ud800", hint="x" * 20_000), b"id", 1)
    encode(failure)


def test_arguments_that_cannot_travel_are_the_callers_mistake_and_nothing_is_sent(caller: Caller, live: Live) -> None:
    callee = live()
    with pytest.raises(NotInLanguage, match=r"Request.args at 0 is a set"):
        call(caller, "echo", {1})
    assert call(caller, "echo", "next") == "next"
    assert len(callee.heard) == 1


# Time.


def test_a_callee_that_does_not_answer_costs_the_deadline_and_no_more(caller: Caller, live: Live) -> None:
    live(silence)
    start_s = time.monotonic()
    with pytest.raises(DeadlineExceeded, match="driver storage: echo was not answered in time") as caught:
        call(caller, within_s=SOON_S)
    assert SOON_S <= time.monotonic() - start_s < AT_ONCE_S
    assert caught.value.code is Code.OPERATION_TIMEOUT


@pytest.mark.parametrize("within_s", [0.0, -1.0])
def test_a_deadline_that_is_over_asks_nobody(caller: Caller, live: Live, within_s: float) -> None:
    callee = live()
    with pytest.raises(DeadlineExceeded):
        call(caller, within_s=within_s)
    assert callee.heard == []


def test_a_driver_without_a_life_is_named_at_the_deadline(caller: Caller) -> None:
    with pytest.raises(PeerAbsent, match=r"driver storage: .*tierhost status") as caught:
        call(caller, within_s=SOON_S)
    assert caught.value.code is Code.NO_CONNECT


def test_a_life_that_comes_up_in_time_is_asked(caller: Caller, live: Live, directory: Directory) -> None:
    callee = live(up=False)
    timer = threading.Timer(SOON_S, directory.up, [callee.entry])
    timer.start()
    assert call(caller, "echo", "late") == "late"
    timer.join()


def test_the_answer_to_a_call_that_was_given_up_is_not_taken_for_another(caller: Caller, live: Live) -> None:
    late: list[Answer] = []

    def one_behind(request: Request) -> list[Answer]:
        late.append(Reply(request.call_id, 1, request.args[0]))
        return [] if len(late) == 1 else late[-2:]

    live(one_behind)
    with pytest.raises(DeadlineExceeded):
        call(caller, "echo", "first", within_s=SOON_S)
    assert call(caller, "echo", "second") == "second"
    assert call(caller, "echo", "third") == "third"


# Peers that lie, babble, hang.


@pytest.mark.parametrize("nonsense", [b"", b"\xff" * 50, b"\x93\x0e\x01"], ids=["nothing", "garbage", "half"])
def test_an_answer_that_is_not_in_our_language_is_an_error_at_once(caller: Caller, live: Live, nonsense: bytes) -> None:
    live(lambda _: [nonsense])
    with pytest.raises(ProtocolError, match="driver storage: the answer to echo is not in our language"):
        call(caller)


def test_a_peer_that_babbles_does_not_keep_us_past_the_deadline(caller: Caller, live: Live) -> None:
    babble = encode(Reply(b"another call", 1, None))
    live(lambda request: [*[babble] * 500, encode(Leave("what?")), Reply(request.call_id, 1, "late")])
    start_s = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        call(caller, within_s=0.001)
    assert time.monotonic() - start_s < AT_ONCE_S
    assert call(caller) == "late"


def test_a_peer_that_takes_nothing_more_is_busy_and_never_waited_for(caller: Caller, folder: Path, directory: Directory) -> None:
    door = Gate(folder / "storage.1")
    directory.up(Entry("storage", 1, door.path, NEVER_A_PID))
    refused = None
    while refused is None:
        with pytest.raises((DeadlineExceeded, Busy)) as caught:
            call(caller, "echo", b"x" * 65536, within_s=0.0005)
        refused = caught.value if isinstance(caught.value, Busy) else None
    assert "driver storage: it does not take requests" in str(refused)
    door.close()
