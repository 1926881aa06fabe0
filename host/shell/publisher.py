"""What the outside hears: numbered events for whoever listens, and the last of them for whoever comes late."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any

from tierhost.ipc.codec import NotInLanguage, encode, legible
from tierhost.ipc.limits import DEPTH_MAX, FRAME_BYTES_MAX, TEXT_CHARS_MAX
from tierhost.ipc.messages import Event

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.ipc.messages import Value
    from tierhost.ipc.sockets import Loudspeaker

EVENTS_KEPT = 2_000
BYTES_KEPT = FRAME_BYTES_MAX // 2
"""Of all kept events together: they always fit into one answer, and whatever drivers say costs the host no more than this."""

EVENT_BYTES_MAX = 64 << 10
DETAILS_VALUES_MAX = 100
DETAILS_DEPTH_MAX = DEPTH_MAX - 4
"""An answer nests them deeper than the event itself does."""

SUBJECT_CHARS_MAX = 1_000


class Publisher:
    """Numbers events, keeps the latest, and says them on `events.sock` (topic: the source)."""

    def __init__(self, loudspeaker: Loudspeaker) -> None:
        self._loudspeaker = loudspeaker
        self._kept: deque[tuple[Event, int]] = deque()
        self._bytes = 0
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
        self._unsaid.append(event)

    def flush(self) -> None:
        """Say what was not said yet. Never blocks: a listener that does not read loses events and sees it by their numbers."""
        unsaid, self._unsaid = self._unsaid, []
        for event in unsaid:
            fitting, data = _fit(event)
            self._keep(fitting, len(data))
            self._loudspeaker.say(fitting.source.encode(), data)

    def _keep(self, event: Event, size: int) -> None:
        self._kept.append((event, size))
        self._bytes += size
        while len(self._kept) > EVENTS_KEPT or self._bytes > BYTES_KEPT:
            self._bytes -= self._kept.popleft()[1]

    def since(self, number: int) -> list[Event]:
        """Return the kept events after this number. Older ones are missing if the first number is not the next one."""
        self.flush()
        return [event for event, _ in self._kept if event.number > number]


def _fit(event: Event) -> tuple[Event, bytes]:
    """Encode an event. One that cannot travel, or is too much to keep, goes without its details, and says so."""
    try:
        data = encode(event)
        trouble = _excess(event, len(data))
    except NotInLanguage as error:
        data, trouble = b"", str(error)
    if trouble:
        event = event._replace(subject=legible(event.subject, SUBJECT_CHARS_MAX), details={"left out": trouble})
        data = encode(event)
    return event, data


def _excess(event: Event, size: int) -> str:
    if size > EVENT_BYTES_MAX:
        return f"an event of {size} bytes, the limit is {EVENT_BYTES_MAX}"
    depth, values = _measure(event.details)
    if depth > DETAILS_DEPTH_MAX or values > DETAILS_VALUES_MAX:
        return f"{values} values, {depth} deep; an event may have {DETAILS_VALUES_MAX}, {DETAILS_DEPTH_MAX} deep"
    return ""


def _measure(value: Value) -> tuple[int, int]:
    """Return how deep a value is nested, and how many values are in it."""
    items = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else None
    if not items:
        return int(items is not None), 0
    inside = [_measure(item) for item in items]
    return 1 + max(depth for depth, _ in inside), len(items) + sum(values for _, values in inside)
