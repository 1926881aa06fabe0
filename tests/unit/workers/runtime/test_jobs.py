"""One change at a time per object, and a stuck object holds up nobody but its own changes."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tierhost.ipc.errors import Busy, Code, DeadlineExceeded
from tierhost.workers.runtime import calling, jobs
from tierhost.workers.runtime.jobs import Jobs

if TYPE_CHECKING:
    from collections.abc import Iterator

LONG_S = 30.0


def soon() -> float:
    return time.monotonic() + LONG_S


@contextmanager
def held_elsewhere(changes: Jobs, name: str) -> Iterator[threading.Thread]:
    """Another thread changes the object for as long as the block lasts."""
    taken, done = threading.Event(), threading.Event()

    def hold() -> None:
        with changes.changing(name, soon()):
            taken.set()
            done.wait(LONG_S)

    thread = threading.Thread(target=hold, name="call-7")
    thread.start()
    try:
        assert taken.wait(LONG_S)
        yield thread
    finally:
        done.set()
        thread.join(LONG_S)


def test_a_second_change_of_the_same_object_waits_for_the_first() -> None:
    changes = Jobs()
    order: list[str] = []

    def second() -> None:
        with changes.changing("guest web", soon()):
            order.append("second")

    with changes.changing("guest web", soon()):
        thread = threading.Thread(target=second)
        thread.start()
        order.append("first")
    thread.join(LONG_S)
    assert order == ["first", "second"]


def test_changes_of_different_objects_do_not_wait() -> None:
    changes = Jobs()
    with held_elsewhere(changes, "guest web"), changes.changing("guest db", soon()):
        pass


def test_the_wait_ends_at_the_deadline_and_the_error_says_who_holds_it() -> None:
    changes = Jobs()
    with (
        held_elsewhere(changes, "guest web"),
        pytest.raises(DeadlineExceeded) as late,
        changes.changing("guest web", time.monotonic()),
    ):
        pass
    assert late.value.code is Code.OPERATION_TIMEOUT
    assert late.value.subject == "guest web"
    assert "call-7" in late.value.text


def test_without_a_deadline_of_its_own_the_wait_ends_with_the_call() -> None:
    changes = Jobs()
    token = calling.DEADLINE_S.set(time.monotonic())
    try:
        with held_elsewhere(changes, "guest web"), pytest.raises(DeadlineExceeded), changes.changing("guest web"):
            pass
    finally:
        calling.DEADLINE_S.reset(token)


def test_the_same_thread_may_ask_again_and_stays_the_holder() -> None:
    changes = Jobs()
    with changes.changing("guest web", soon()), changes.changing("guest web", soon()):
        assert changes.held() == ("guest web", "guest web")
    assert changes.held() == ()


def test_too_many_waiters_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "WAITERS_MAX", 0)
    changes = Jobs()
    with held_elsewhere(changes, "guest web"), pytest.raises(Busy) as busy, changes.changing("guest web", soon()):
        pass
    assert busy.value.subject == "guest web"


def test_a_change_that_fails_lets_the_object_go() -> None:
    changes = Jobs()

    def fail() -> None:
        with changes.changing("guest web", soon()):
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    with held_elsewhere(changes, "guest web"):
        pass


def test_locks_nobody_wants_are_dropped() -> None:
    changes = Jobs()
    with held_elsewhere(changes, "guest web"), changes.changing("guest db", soon()):
        assert len(changes._jobs) == 2
    assert changes._jobs == {}
