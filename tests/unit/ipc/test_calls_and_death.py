"""Calls whose callee dies: asked again, asked about, or given up with the right word, and nothing left behind."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.unit.ipc.callee import AT_ONCE_S, NEVER_A_PID, PATIENCE_S, SOON_S, FakeCallee, call, echo, silence
from tierhost.ipc.calls import Caller, WokenByLoop
from tierhost.ipc.directory import Directory, Entry
from tierhost.ipc.errors import (
    CallError,
    OutcomeUnknown,
    PeerDied,
)
from tierhost.ipc.failures import failure_of
from tierhost.ipc.messages import Answer, Reply, Request

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.ipc.conftest import Live, Start
    from tierhost.ipc.sockets import Sockets


def succeed(first: FakeCallee, directory: Directory, second: FakeCallee) -> threading.Thread:
    """End the first life once it has a request, then announce the second."""

    def work() -> None:
        assert first.came.acquire(timeout=PATIENCE_S)
        directory.down("storage", first.entry.incarnation)
        directory.up(second.entry)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


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


# Nothing is left behind.


def test_lines_of_dead_lives_are_closed_and_so_is_everything_in_the_end(
    sockets: Sockets, directory: Directory, live: Live, folder: Path
) -> None:
    news = WokenByLoop(directory)
    caller = Caller(directory, news)
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
