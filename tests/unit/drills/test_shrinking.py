"""Delta debugging: what is left fails, nothing of it can be left out, and nothing is asked twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tierhost.drills.shrinking import shrunk, smallest

SCHEDULES = st.integers(1, 24).flatmap(
    lambda size: st.tuples(st.just(size), st.sets(st.integers(0, size - 1), min_size=1, max_size=4))
)


@given(SCHEDULES)
def test_exactly_what_is_needed_is_left(schedule: tuple[int, set[int]]) -> None:
    size, needed = schedule
    asked: list[tuple[int, ...]] = []

    def fails(some: tuple[int, ...]) -> bool:
        asked.append(some)
        return needed <= set(some)

    assert set(smallest(range(size), fails)) == needed
    assert len(asked) == len(set(asked))
    assert len(asked) <= size * size + size + 1


@given(SCHEDULES)
def test_one_of_several_causes_is_enough(schedule: tuple[int, set[int]]) -> None:
    size, causes = schedule
    left = smallest(range(size), lambda some: bool(causes & set(some)))
    assert len(left) == 1
    assert set(left) <= causes


def test_what_fails_without_anything_shrinks_to_nothing() -> None:
    assert smallest("abc", lambda _some: True) == ()


def test_what_never_fails_again_is_left_as_it_was() -> None:
    assert smallest("abcd", lambda _some: False) == tuple("abcd")


def test_order_is_kept() -> None:
    assert smallest("abcdef", lambda some: {"e", "b"} <= set(some)) == ("b", "e")


def test_faults_shrink_before_calls_and_each_with_what_is_left_of_the_other() -> None:
    faults, calls = shrunk("abc", [1, 2, 3], lambda some, asks: "b" in some and 3 in asks)
    assert (faults, calls) == (("b",), (3,))
