"""Calls over real sockets, and through every way a callee can fail."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.ipc.callee import NEVER_A_PID, FakeCallee, Say, echo, silence
from tierhost.ipc import calls
from tierhost.ipc.calls import Caller, WokenByLoop, error_of, failure_of
from tierhost.ipc.codec import NotInLanguage, encode
from tierhost.ipc.directory import Directory, Entry
from tierhost.ipc.errors import (
    KINDS,
    Busy,
    CallError,
    Code,
    DeadlineExceeded,
    DriverError,
    OutcomeUnknown,
    PeerAbsent,
    PeerDied,
    ProtocolError,
)
from tierhost.ipc.limits import TEXT_CHARS_MAX
from tierhost.ipc.messages import Answer, Failure, Leave, Reply, Request

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.ipc.conftest import Start
    from tierhost.ipc.sockets import Sockets

SOON_S = 0.05
PATIENCE_S = 10.0
AT_ONCE_S = 2.0
"""Far below PATIENCE_S: what takes less did not wait for a deadline."""

Live = Callable[..., FakeCallee]


@pytest.fixture
def directory() -> Directory:
    return Directory()


@pytest.fixture
def caller(sockets: Sockets, directory: Directory) -> Iterator[Caller]:
    news = WokenByLoop(directory)
    made = Caller(sockets, directory, news, name="qemu", incarnation=4)
    yield made
    made.close()
    news.close()


@pytest.fixture
def live(sockets: Sockets, folder: Path, directory: Directory) -> Iterator[Live]:
    """Begin a life of the fake callee, and say so in the directory."""
    lives: list[FakeCallee] = []

    def begin(say: Say = echo, *, incarnation: int = 1, up: bool = True) -> FakeCallee:
        callee = FakeCallee(sockets, folder, say, incarnation=incarnation)
        lives.append(callee)
        if up:
            directory.up(callee.entry)
        return callee

    yield begin
    for callee in lives:
        callee.stop()


def call(caller: Caller, method: str = "echo", *args: Any, within_s: float = PATIENCE_S, **more: Any) -> Any:
    changes = more.pop("changes", False)
    return caller.call("storage", method, args, more, deadline_s=time.monotonic() + within_s, changes=changes)


def succeed(first: FakeCallee, directory: Directory, second: FakeCallee) -> threading.Thread:
    """End the first life once it has a request, then announce the second."""

    def work() -> None:
        assert first.came.acquire(timeout=PATIENCE_S)
        directory.down("storage", first.entry.incarnation)
        directory.up(second.entry)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


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


@pytest.mark.parametrize("quick_s", [0.0, PATIENCE_S], ids=["asleep", "awake"])
def test_quick_answers_are_awaited_awake_and_slow_ones_asleep(
    caller: Caller, live: Live, monkeypatch: pytest.MonkeyPatch, quick_s: float
) -> None:
    monkeypatch.setattr(calls, "QUICK_S", quick_s)
    live()
    assert [call(caller, "echo", number) for number in range(20)] == list(range(20))
    assert caller._ways["storage"].quick == (quick_s > 0)


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


# Death.


def test_a_read_in_flight_is_asked_again_of_the_next_life_at_once(caller: Caller, live: Live, directory: Directory) -> None:
    first, second = live(silence), live(echo, incarnation=2, up=False)
    thread = succeed(first, directory, second)
    start_s = time.monotonic()
    assert call(caller, "echo", "again") == "again"
    assert time.monotonic() - start_s < AT_ONCE_S
    thread.join()
    assert (second.heard[0].attempt, second.heard[0].incarnation) == (2, 2)
    assert second.heard[0].remaining_s <= first.heard[0].remaining_s


def test_a_change_in_flight_is_asked_about_under_the_same_id(caller: Caller, live: Live, directory: Directory) -> None:
    def from_the_record(request: Request) -> list[Answer]:
        assert request.attempt == 2
        return [Reply(request.call_id, 2, {first.heard[0].call_id: "done"}.get(request.call_id))]

    first, second = live(silence), live(from_the_record, incarnation=2, up=False)
    thread = succeed(first, directory, second)
    assert call(caller, "create", "web", changes=True) == "done"
    thread.join()


def test_what_the_next_life_says_of_a_change_is_the_answer(caller: Caller, live: Live, directory: Directory) -> None:
    def begun(request: Request) -> list[Answer]:
        return [failure_of(OutcomeUnknown("it had begun"), request.call_id, 2)]

    first, second = live(silence), live(begun, incarnation=2, up=False)
    thread = succeed(first, directory, second)
    with pytest.raises(OutcomeUnknown, match="it had begun"):
        call(caller, "create", changes=True)
    thread.join()


@pytest.mark.parametrize(("changes", "kind"), [(True, OutcomeUnknown), (False, PeerDied)])
def test_without_a_next_life_the_error_says_whether_something_may_have_changed(
    caller: Caller, live: Live, directory: Directory, changes: bool, kind: type[CallError]
) -> None:
    def die(_: Request) -> list[Answer]:
        directory.down("storage", 1)
        return []

    live(die)
    with pytest.raises(kind, match="the worker died while it had the request"):
        call(caller, within_s=4 * SOON_S, changes=changes)


def test_a_killed_process_is_noticed_without_any_host(
    caller: Caller, directory: Directory, folder: Path, start_peer: Start
) -> None:
    process = start_peer("hangs", folder / "storage.1")
    directory.up(Entry("storage", 1, str(folder / "storage.1"), process.pid))
    threading.Timer(SOON_S, process.kill).start()
    start_s = time.monotonic()
    with pytest.raises(PeerDied):
        call(caller, within_s=10 * SOON_S)
    assert time.monotonic() - start_s < AT_ONCE_S
    assert directory.is_dead("storage", 1)
    assert directory.find("storage") is None


def test_a_call_survives_the_kill_of_a_process(
    caller: Caller, directory: Directory, folder: Path, live: Live, start_peer: Start
) -> None:
    process = start_peer("answers", folder / "storage.1")
    directory.up(Entry("storage", 1, str(folder / "storage.1"), process.pid))
    assert call(caller) == process.pid
    process.kill()
    process.wait()
    second = live(echo, incarnation=2, up=False)
    timer = threading.Timer(SOON_S, directory.up, [second.entry])
    timer.start()
    assert call(caller, "echo", "next") == "next"
    timer.join()


def test_a_life_that_lives_elsewhere_by_now_is_buried_and_the_next_one_asked(
    caller: Caller, live: Live, directory: Directory, folder: Path
) -> None:
    def only_of_two(request: Request) -> list[Answer]:
        if request.incarnation != 2:
            return [failure_of(PeerDied("life 1 is over"), request.call_id, 2)]
        return [Reply(request.call_id, 2, f"attempt {request.attempt}")]

    live(only_of_two, incarnation=2, up=False)
    path = str(folder / "storage.2")
    directory.up(Entry("storage", 1, path, NEVER_A_PID))
    timer = threading.Timer(SOON_S, directory.up, [Entry("storage", 2, path, NEVER_A_PID)])
    timer.start()
    assert call(caller, changes=True) == "attempt 2"
    timer.join()


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


def test_a_peer_that_takes_nothing_more_is_busy_and_never_waited_for(
    caller: Caller, sockets: Sockets, folder: Path, directory: Directory
) -> None:
    door = sockets.door(folder / "storage.1")
    directory.up(Entry("storage", 1, door.path, NEVER_A_PID))
    refused = None
    while refused is None:
        with pytest.raises((DeadlineExceeded, Busy)) as caught:
            call(caller, "echo", b"x" * 65536, within_s=0.0005)
        refused = caught.value if isinstance(caught.value, Busy) else None
    assert "driver storage: it does not take requests" in str(refused)
    door.close()


# Nothing is left behind.


def test_lines_of_dead_lives_are_closed_and_so_is_everything_in_the_end(
    sockets: Sockets, directory: Directory, live: Live, folder: Path
) -> None:
    news = WokenByLoop(directory)
    caller = Caller(sockets, directory, news)
    open_fds: list[int] = []
    for incarnation in range(1, 6):
        callee = live(incarnation=incarnation, up=False)
        directory.up(Entry("storage", incarnation, callee.entry.endpoint, os.getpid()))
        call(caller)
        assert [way.entry.incarnation for way in caller._ways.values()] == [incarnation]
        callee.stop()
        open_fds.append(len(os.listdir("/proc/self/fd")))
    caller.close()
    news.close()
    deadline_s = time.monotonic() + PATIENCE_S
    while len(os.listdir("/proc/self/fd")) >= open_fds[0] and time.monotonic() < deadline_s:
        # ZeroMQ's own thread closes what was given back.
        threading.Event().wait(0.005)
    assert len(os.listdir("/proc/self/fd")) < open_fds[0]
