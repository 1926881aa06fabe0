"""The next time somebody looks at a pool: one such time per pool, so that looks never pile up."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Turns:
    """Puts acts off by pool; the latest replaces those that have not had their turn. Thread-safe."""

    def __init__(self, later: Callable[[float, Callable[[], None]], None]) -> None:
        self._later = later
        self._numbers = count(1)
        self._latest: dict[str, int] = {}

    def put_off(self, uuid: str, seconds: float, act: Callable[[], None]) -> None:
        """Have `act` run after so many seconds, unless something is put off for this pool again before."""
        number = self._latest[uuid] = next(self._numbers)

        def take() -> None:
            if self._latest.get(uuid) == number:
                act()

        self._later(seconds, take)
