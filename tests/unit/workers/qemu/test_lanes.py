"""Work on many guests, a few side by side."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from tests.integration.qemu.lives import Clockwork
from tests.waiting import until
from tierhost.workers.qemu.lanes import LANES_MAX, side_by_side
from tierhost.workers.runtime.contract import DriverError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierhost.workers.runtime.contract import Context


def ran(uuids: list[str], work: Callable[[str], None], patience_s: float) -> bool:
    clockwork = Clockwork()
    try:
        return side_by_side(cast("Context", SimpleNamespace(later=clockwork.later)), uuids, work, patience_s)
    finally:
        clockwork.stop()


def test_everybody_has_a_turn_and_never_too_many_at_once() -> None:
    lock, now, most, done = threading.Lock(), [0], [0], []

    def work(uuid: str) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        done.append(uuid)
        with lock:
            now[0] -= 1

    uuids = [str(number) for number in range(20)]
    assert ran(uuids, work, 10.0)
    assert sorted(done, key=int) == uuids
    assert most[0] <= LANES_MAX


def test_a_few_are_worked_on_side_by_side() -> None:
    meeting = threading.Barrier(LANES_MAX, timeout=10.0)

    def work(uuid: str) -> None:
        meeting.wait()

    assert ran([str(number) for number in range(LANES_MAX)], work, 10.0)


def test_an_error_in_one_does_not_keep_the_others() -> None:
    done = []

    def work(uuid: str) -> None:
        if uuid == "2":
            raise DriverError("it fails")
        done.append(uuid)

    assert ran([str(number) for number in range(8)], work, 10.0)
    assert sorted(done) == ["0", "1", "3", "4", "5", "6", "7"]


def test_patience_ends_and_the_work_goes_on() -> None:
    release, done = threading.Event(), []

    def work(uuid: str) -> None:
        release.wait(10.0)
        done.append(uuid)

    clockwork = Clockwork()
    assert not side_by_side(cast("Context", SimpleNamespace(later=clockwork.later)), ["1"], work, 0.05)
    assert done == []
    release.set()
    until(lambda: done == ["1"], "it is done at last")
    clockwork.stop()


def test_nobody_to_work_on_is_done_at_once() -> None:
    assert ran([], lambda _: None, 0.0)
