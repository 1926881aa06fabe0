"""What happened to one driver lately: bounded, in words, for errors and for `tierhost status`."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

STORY_ENTRIES_MAX: Final = 64


@dataclass(slots=True)
class Entry:
    """One thing that happened, and how often in a row."""

    at_s: float
    text: str
    times: int = 1

    def __str__(self) -> str:
        return f"{self.at_s:.3f} {self.text}" + (f" ({self.times} times)" if self.times > 1 else "")


@dataclass(slots=True)
class Story:
    """Keeps the latest entries. The same thing again is counted, not kept again: a flood must not wash the rest away."""

    _entries: deque[Entry] = field(default_factory=lambda: deque(maxlen=STORY_ENTRIES_MAX))

    def add(self, at_s: float, text: str) -> None:
        """Note what happened, at the moment of the host's clock."""
        if self._entries and self._entries[-1].text == text:
            self._entries[-1].times += 1
        else:
            self._entries.append(Entry(at_s, text))

    def lines(self) -> tuple[str, ...]:
        """The story so far, oldest first."""
        return tuple(str(entry) for entry in self._entries)
