"""What the outside hears: numbered events for whoever listens, and the last of them for whoever comes late."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any

from tierhost.ipc.codec import encode
from tierhost.ipc.limits import TEXT_CHARS_MAX
from tierhost.ipc.messages import Event

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.ipc.sockets import Loudspeaker

EVENTS_KEPT = 2_000
HOST = "host"


class Publisher:
    """Numbers events, keeps the latest, and says them on `events.sock` (topic: the source)."""

    def __init__(self, loudspeaker: Loudspeaker) -> None:
        self._loudspeaker = loudspeaker
        self._kept: deque[Event] = deque(maxlen=EVENTS_KEPT)
        self._unsaid: list[Event] = []
        # Beyond every number of an earlier host of this boot, so that "after number N" means the same to everybody.
        self._number = time.monotonic_ns() // 1000

    @property
    def number(self) -> int:
        """The number of the latest event."""
        return self._number

    def say(
        self,
        now_s: float,
        source: str,
        kind: str,
        subject: str = "",
        details: Mapping[str, Any] | None = None,
        incarnation: int = 0,
    ) -> None:
        """Number one event, for `flush` to say once what is more urgent is done."""
        self._number += 1
        event = Event(
            number=self._number,
            at_s=now_s,
            source=source,
            incarnation=incarnation,
            kind=kind,
            subject=subject[:TEXT_CHARS_MAX],
            details=dict(details or {}),
        )
        self._kept.append(event)
        self._unsaid.append(event)

    def flush(self) -> None:
        """Say what was not said yet. Never blocks: a listener that does not read loses events and sees it by their numbers."""
        unsaid, self._unsaid = self._unsaid, []
        for event in unsaid:
            self._loudspeaker.say(event.source.encode(), encode(event))

    def since(self, number: int) -> list[Event]:
        """Return the kept events after this number."""
        return [event for event in self._kept if event.number > number]
