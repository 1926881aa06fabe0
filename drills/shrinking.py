"""The smallest part of a schedule that still fails: delta debugging, pure; whether a part fails is asked of a function."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Part = TypeVar("Part")
Call = TypeVar("Call")


def smallest(parts: Sequence[Part], fails: Callable[[tuple[Part, ...]], bool]) -> tuple[Part, ...]:
    """Return a part of `parts`, in their order, that fails and of which nothing single can be left out.

    `parts` as a whole is taken to fail. Never asks the same twice. Ends early if `fails` raises; use `Budget` for that.
    """
    asked: dict[tuple[int, ...], bool] = {}

    def failing(numbers: tuple[int, ...]) -> bool:
        if numbers not in asked:
            asked[numbers] = fails(tuple(parts[number] for number in numbers))
        return asked[numbers]

    kept = tuple(range(len(parts)))
    if failing(()):
        return ()
    pieces = 2
    while len(kept) > 1:
        smaller = _smaller(kept, pieces, failing)
        if smaller is not None:
            kept, pieces = smaller, max(2, min(pieces - 1, len(smaller)))
        elif pieces < len(kept):
            pieces = min(len(kept), pieces * 2)
        else:
            break
    return tuple(parts[number] for number in kept)


def _smaller(kept: tuple[int, ...], pieces: int, failing: Callable[[tuple[int, ...]], bool]) -> tuple[int, ...] | None:
    """Try each piece alone, and then all without each piece; None if none of these fails."""
    size = len(kept) / pieces
    cuts = [kept[round(size * number) : round(size * (number + 1))] for number in range(pieces)]
    alone = (cut for cut in cuts if cut)
    without = (tuple(number for number in kept if number not in set(cut)) for cut in cuts if cut)
    for candidate in (*alone, *without):
        if candidate and len(candidate) < len(kept) and failing(candidate):
            return candidate
    return None


def shrunk(
    faults: Sequence[Part],
    calls: Sequence[Call],
    fails: Callable[[tuple[Part, ...], tuple[Call, ...]], bool],
) -> tuple[tuple[Part, ...], tuple[Call, ...]]:
    """Shrink the faults first, which cost most to understand, and then the drill's own calls."""
    fewer = smallest(faults, lambda some: fails(some, tuple(calls)))
    return fewer, smallest(calls, lambda some: fails(fewer, some))
