"""One next time per pool."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierhost.workers.storage.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable


def test_the_latest_replaces_what_has_not_had_its_turn_and_pools_do_not_mind_each_other() -> None:
    put_off: list[tuple[float, Callable[[], None]]] = []
    turns = Turns(lambda seconds, act: put_off.append((seconds, act)))
    taken: list[str] = []
    turns.put_off("a", 1.0, lambda: taken.append("a, replaced"))
    turns.put_off("b", 2.0, lambda: taken.append("b"))
    turns.put_off("a", 3.0, lambda: taken.append("a"))
    for _, act in put_off:
        act()
    assert [seconds for seconds, _ in put_off] == [1.0, 2.0, 3.0]
    assert taken == ["b", "a"]
