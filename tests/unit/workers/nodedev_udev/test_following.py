"""Whose word is acted on, and when: the kernel's at once, or udev's, or the kernel's after all."""

from __future__ import annotations

from tierhost.workers.nodedev_udev.following import HELD_MAX, UDEV_PATIENCE_S, Following
from tierhost.workers.nodedev_udev.uevents import KERNEL_GROUP, UDEV_GROUP, Uevent

NET = Uevent("add", "/sys/devices/virtual/net/v0", "net", 7)


def test_without_udev_the_kernels_word_is_acted_on_at_once() -> None:
    following = Following()
    assert following.take(KERNEL_GROUP, NET, 0.0, udev_runs=False) == [NET]
    assert following.wait_s(0.0) is None


def test_with_udev_the_kernels_word_waits_for_udevs() -> None:
    following = Following()
    assert following.take(KERNEL_GROUP, NET, 0.0, udev_runs=True) == []
    assert following.take(UDEV_GROUP, NET, 0.1, udev_runs=True) == [NET]
    assert following.due(100.0) == []


def test_a_udevd_that_hangs_is_waited_for_once() -> None:
    following = Following()
    following.take(KERNEL_GROUP, NET, 0.0, udev_runs=True)
    assert following.wait_s(1.0) == UDEV_PATIENCE_S - 1.0
    assert following.due(UDEV_PATIENCE_S) == [NET]
    assert following.udev_is_late
    assert following.take(KERNEL_GROUP, NET, 9.0, udev_runs=True) == [NET]
    assert following.take(UDEV_GROUP, NET, 9.1, udev_runs=True) == [NET]
    assert not following.udev_is_late


def test_what_is_held_has_a_limit_and_what_is_no_device_is_not_held() -> None:
    following = Following()
    for number in range(HELD_MAX):
        assert following.take(KERNEL_GROUP, Uevent("add", "/sys/devices/x", "net", number), 0.0, udev_runs=True) == []
    assert following.take(KERNEL_GROUP, NET, 0.0, udev_runs=True) == [NET]
    assert following.take(KERNEL_GROUP, Uevent("add", "/sys/devices/x", "tty", 1), 0.0, udev_runs=False) == []
