"""Who is up, who is dead, and who is told."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from tierhost.ipc.directory import Directory, Entry

if TYPE_CHECKING:
    from collections.abc import Iterator


def life(incarnation: int, driver: str = "storage", pid: int | None = None) -> Entry:
    return Entry(driver, incarnation, f"/run/{driver}.{incarnation}", incarnation * 10 if pid is None else pid)


@pytest.fixture
def directory() -> Directory:
    return Directory()


@pytest.fixture
def watch(directory: Directory) -> Iterator[int]:
    fd = directory.watch()
    yield fd
    directory.unwatch(fd)


def is_woken(fd: int) -> bool:
    try:
        return os.eventfd_read(fd) > 0
    except BlockingIOError:
        return False


def test_a_life_is_found_by_its_driver_and_by_its_pid(directory: Directory) -> None:
    directory.up(life(1))
    assert directory.find("storage") == directory.by_pid(10) == life(1)
    assert directory.lives() == [life(1)]
    assert directory.find("secret") is None
    assert directory.by_pid(11) is None


def test_a_dead_life_is_found_no_more(directory: Directory) -> None:
    directory.up(life(1))
    directory.down("storage", 1)
    assert directory.find("storage") is directory.by_pid(10) is None
    assert directory.is_dead("storage", 1)
    assert not directory.is_dead("storage", 2)
    assert directory.lives() == []


def test_a_life_that_was_withdrawn_may_come_up_again(directory: Directory) -> None:
    directory.up(life(1))
    directory.withdraw("storage", 2)
    assert directory.find("storage") == life(1), "another life was meant"
    directory.withdraw("storage", 1)
    assert directory.find("storage") is directory.by_pid(10) is None
    assert not directory.is_dead("storage", 1)
    directory.up(life(1))
    assert directory.find("storage") == directory.by_pid(10) == life(1)


def test_the_next_life_buries_every_earlier_one(directory: Directory) -> None:
    directory.up(life(1))
    directory.up(life(3))
    assert directory.is_dead("storage", 1)
    assert directory.is_dead("storage", 2)
    assert directory.find("storage") == life(3)
    assert directory.by_pid(10) is None


@pytest.mark.parametrize("stale", [1, 2])
def test_stale_news_of_a_life_changes_nothing(directory: Directory, stale: int) -> None:
    directory.up(life(3))
    directory.up(life(stale))
    directory.down("storage", stale)
    assert directory.find("storage") == life(3)


def test_a_life_does_not_rise_again(directory: Directory) -> None:
    directory.down("storage", 2)
    directory.up(life(2))
    assert directory.find("storage") is None
    directory.up(life(3))
    assert directory.find("storage") == life(3)


def test_the_end_of_a_life_does_not_take_its_pid_from_the_next_owner(directory: Directory) -> None:
    directory.up(life(1, "storage", pid=7))
    directory.up(life(4, "secret", pid=7))
    directory.down("storage", 1)
    assert directory.by_pid(7) == life(4, "secret", pid=7)


def test_a_life_announced_again_is_known_by_its_latest_pid(directory: Directory) -> None:
    directory.up(life(1, pid=7))
    directory.up(life(1, pid=8))
    assert directory.by_pid(7) is None
    assert directory.by_pid(8) == life(1, pid=8)


def test_who_follows_a_driver_is_woken_for_it_and_for_no_other(directory: Directory, watch: int) -> None:
    directory.follow(watch, "storage")
    directory.up(life(1, "secret"))
    assert not is_woken(watch)
    directory.up(life(1))
    assert is_woken(watch)
    directory.down("storage", 1)
    assert is_woken(watch)
    directory.follow(watch, "secret")
    directory.up(life(2))
    assert not is_woken(watch)


def test_stale_news_wakes_nobody(directory: Directory, watch: int) -> None:
    directory.up(life(3))
    directory.follow(watch, "storage")
    directory.up(life(2))
    assert not is_woken(watch)


def test_threads_that_change_it_at_once_leave_it_in_order(directory: Directory) -> None:
    def rise_and_fall(driver: str) -> None:
        for number in range(1, 200):
            fd = directory.watch()
            directory.follow(fd, driver)
            directory.up(life(number, driver, pid=number))
            directory.down(driver, number)
            directory.unwatch(fd)

    threads = [threading.Thread(target=rise_and_fall, args=(f"d{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert directory.lives() == []
    assert all(directory.by_pid(number) is None for number in range(1, 200))
