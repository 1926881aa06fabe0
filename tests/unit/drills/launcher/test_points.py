"""Which lines are kill points, and which of them a sweep strikes."""

from __future__ import annotations

from tierhost.drills.launcher.points import REPEATS_MAX, Chosen, Counted, Point


def test_a_line_counts_once_until_the_world_has_changed() -> None:
    counted = Counted()
    assert counted.line("a.py", 1) == Point("a.py:1", changed=True)
    assert counted.line("a.py", 2) == Point("a.py:2", changed=False)
    assert counted.line("a.py", 1) is None
    counted.effect()
    assert counted.line("a.py", 1) == Point("a.py:1 #2", changed=True)
    assert counted.line("a.py", 2) is None


def test_a_loop_with_many_effects_has_few_points() -> None:
    counted = Counted()
    for _ in range(100):
        counted.effect()
        counted.line("a.py", 1)
    assert counted.times["a.py", 1] == REPEATS_MAX


def test_shared_lines_are_struck_once_for_a_driver_and_changes_always() -> None:
    points = [Point("workers/runtime/store.py:1", changed=False), Point("workers/runtime/pair.py:7", changed=True)]
    chosen = Chosen()
    assert len(chosen.choose(points, driver="secret", method="secret.a")) == 2
    assert chosen.choose(points, driver="secret", method="secret.b") == ["workers/runtime/pair.py:7"]
    assert len(chosen.choose(points, driver="qemu", method="qemu.a")) == 2


def test_a_drivers_own_lines_are_struck_in_each_of_its_methods() -> None:
    own = [Point("workers/secret/state.py:1", changed=False)]
    chosen = Chosen()
    assert chosen.choose(own, driver="secret", method="secret.a") == ["workers/secret/state.py:1"]
    assert chosen.choose(own, driver="secret", method="secret.a") == []
    assert chosen.choose(own, driver="secret", method="secret.b") == ["workers/secret/state.py:1"]
