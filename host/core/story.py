"""What happened to one driver lately: bounded, in words, for errors and for people."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

STORY_LINES_MAX = 64


@dataclass(slots=True)
class Story:
    """A list of lines that forgets its oldest."""

    _lines: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=STORY_LINES_MAX))

    def tell(self, now_s: float, line: str) -> None:
        """Add a line."""
        self._lines.append((now_s, line))

    def lines(self) -> tuple[str, ...]:
        """The story, oldest first, each line with the host's clock."""
        return tuple(f"{at_s:.3f} {line}" for at_s, line in self._lines)
