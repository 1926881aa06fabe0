"""A process that speaks for a pool: what it is asked, how it fails, and that it ends with whoever started it."""

from __future__ import annotations

import fcntl
import gc
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.waiting import until
from tierhost.workers.runtime import detached
from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.storage.acts import Unanswered
from tierhost.workers.storage.backend import Effort
from tierhost.workers.storage.envoy import CALLS_MAX, Envoy

if TYPE_CHECKING:
    from collections.abc import Iterator

MODULE = "tests.unit.workers.storage.storage_in_an_envoy"
KEY = b"the key"
PATIENCE_S = 20.0


@pytest.fixture
def envoy() -> Iterator[Envoy]:
    made = Envoy(MODULE, {"expected": KEY.decode()}, KEY)
    yield made
    made.close()


def within(seconds: float = PATIENCE_S, lock_fd: int = -1) -> Effort:
    return Effort(time.monotonic() + seconds, lock_fd)


def test_words_and_bytes_travel_both_ways(envoy: Envoy) -> None:
    big = os.urandom(3 << 20)
    assert envoy.call("echo", within(), big, word="hello") == (["hello", True], big * 2)


def test_a_refusal_comes_as_the_library_said_it(envoy: Envoy) -> None:
    with pytest.raises(FileNotFoundError, match="no such image"):
        envoy.call("fail", within())
    assert envoy.is_usable()


def test_a_storage_that_cannot_be_opened_is_tried_again_with_each_call() -> None:
    envoy = Envoy(MODULE, {"expected": "another"}, KEY)
    for _ in range(2):
        with pytest.raises(PermissionError, match="the key is wrong"):
            envoy.call("echo", within(), word="x")
    envoy.close()


def test_a_bug_costs_its_own_call_only(envoy: Envoy) -> None:
    with pytest.raises(Unanswered, match="broke off in fall_over"):
        envoy.call("fall_over", within())
    assert envoy.call("echo", within(), word="x")[0] == ["x", True]


def test_a_call_that_hangs_ends_with_its_time_and_the_others_are_served(envoy: Envoy) -> None:
    envoy.call("echo", within(), word="it runs")
    with pytest.raises(Unanswered, match="did not answer hang in time") as caught:
        envoy.call("hang", within(0.1))
    assert caught.value.code is Code.OPERATION_TIMEOUT
    assert envoy.call("echo", within(), word="x")[0] == ["x", True]


def test_the_lock_of_an_act_is_held_until_the_act_is_over_even_if_nobody_waits_for_it(envoy: Envoy, tmp_path: Path) -> None:
    envoy.call("echo", within(), word="it runs")
    lock = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with pytest.raises(Unanswered):
        envoy.call("hang", within(0.1, lock))
    os.close(lock)
    again = os.open(tmp_path / "lock", os.O_RDWR)
    with pytest.raises(BlockingIOError):
        fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
    envoy.close()
    fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(again)


def test_a_process_that_is_stopped_is_ended(envoy: Envoy) -> None:
    envoy.call("echo", within(), word="it runs")
    with pytest.raises(Unanswered):
        envoy.call("stop", within(0.1))
    assert not envoy.is_usable()
    assert detached.start_time(envoy.pid) == 0


def test_a_process_that_crashes_is_noticed(envoy: Envoy) -> None:
    with pytest.raises(Unanswered, match="died"):
        envoy.call("crash", within())
    assert not envoy.is_usable()
    with pytest.raises(Unanswered, match="died"):
        envoy.call("echo", within(), word="x")


def test_calls_that_wait_never_gather_without_end(envoy: Envoy) -> None:
    for _ in range(CALLS_MAX):
        envoy._places.acquire()  # as so many waiting calls do
    with pytest.raises(DriverError, match="are waiting already") as caught:
        envoy.call("echo", within(), word="x")
    assert caught.value.code is Code.RESOURCE_BUSY


def test_it_ends_with_whoever_forgot_it() -> None:
    envoy = Envoy(MODULE, {"expected": KEY.decode()}, KEY)
    envoy.call("echo", within(), word="it runs")
    pid = envoy.pid
    del envoy
    gc.collect()
    until(lambda: detached.start_time(pid) == 0, "it is gone")


def test_neither_its_arguments_nor_its_environment_have_the_key_and_nobody_reads_its_memory(envoy: Envoy) -> None:
    envoy.call("echo", within(), word="it runs")
    place = Path(f"/proc/{envoy.pid}")
    assert KEY not in (place / "cmdline").read_bytes()
    assert (place / "environ").read_bytes() in {b"", b"LC_CTYPE=C.UTF-8\0"}  # what Python itself says to itself
    assert place.stat().st_uid == 0 or os.geteuid() != 0
    assert "Max core file size        0                    0" in (place / "limits").read_text()
