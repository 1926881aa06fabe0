"""What the world shows of an interface, and what becomes of it after a crash: a table of record x intent x seen. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.runtime.settling import Intent

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Link:
    """One device as the kernel shows it."""

    name: str
    index: int
    kind: str = ""
    mac: str = ""
    mtu: int = 1500
    up: bool = False
    state: str = "unknown"
    master: str = ""
    parent: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    addresses: frozenset[str] = frozenset()
    gateways: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class World:
    """All devices, by name, as of one look."""

    links: Mapping[str, Link]

    def get(self, name: str) -> Link | None:
        """Return a device, or None."""
        return self.links.get(name)

    def ports_of(self, name: str) -> list[Link]:
        """Return the ports of a bridge or bond, by name."""
        return sorted((link for link in self.links.values() if link.master == name), key=lambda link: link.name)


class Seen(Enum):
    """What the world shows of an interface."""

    ABSENT = "absent"
    PARTIAL = "partial"
    """Some of it is as it was started, some is not."""
    WHOLE = "whole"
    FOREIGN = "foreign"
    """Its name belongs to something we did not make."""


class Settlement(Enum):
    """What initialize does with one interface."""

    STAY_INACTIVE = "stay inactive"
    STAY_ACTIVE = "stay active"
    MAKE_AGAIN = "stay active, make what is missing"
    STAY_ACTIVE_DEGRADED = "stay active, report who has its name, touch nothing"
    COMPLETE_START = "the start was finished: record it"
    UNDO_START = "the start never happened: take back what there is of it"
    COMPLETE_STOP = "the stop happened: take away what is left, record it"
    ABANDON_STOP = "the stop never happened: stay active"


def _row(absent: Settlement, partial: Settlement, whole: Settlement, foreign: Settlement) -> dict[Seen, Settlement]:
    return dict(zip(Seen, (absent, partial, whole, foreign), strict=True))


SETTLEMENTS: Final[dict[tuple[bool, Intent], dict[Seen, Settlement]]] = {
    # (recorded as active, what was under way) -> by what is seen
    # Without a record nothing in the world can be ours, whatever its name: a card that is up was set up by somebody else.
    (False, Intent.NONE): _row(*[Settlement.STAY_INACTIVE] * 4),
    (False, Intent.START): _row(Settlement.UNDO_START, Settlement.UNDO_START, Settlement.COMPLETE_START, Settlement.UNDO_START),
    # A stop is intended only of what is active, and its outcome removes record and intent in one commit: the record was
    # lost. The intent has all that is needed to write it again.
    (False, Intent.STOP): _row(
        Settlement.COMPLETE_STOP, Settlement.COMPLETE_STOP, Settlement.ABANDON_STOP, Settlement.COMPLETE_STOP
    ),
    (True, Intent.NONE): _row(
        Settlement.MAKE_AGAIN, Settlement.MAKE_AGAIN, Settlement.STAY_ACTIVE, Settlement.STAY_ACTIVE_DEGRADED
    ),
    # The outcome of a start writes the record and settles the intent in one commit, so both at once is a repeated start.
    (True, Intent.START): _row(
        Settlement.MAKE_AGAIN, Settlement.MAKE_AGAIN, Settlement.COMPLETE_START, Settlement.STAY_ACTIVE_DEGRADED
    ),
    (True, Intent.STOP): _row(
        Settlement.COMPLETE_STOP, Settlement.COMPLETE_STOP, Settlement.ABANDON_STOP, Settlement.COMPLETE_STOP
    ),
}


def settle(*, active: bool, seen: Seen, intent: Intent) -> Settlement:
    """Decide what becomes of an interface, from its record, the world, and what was under way."""
    return SETTLEMENTS[active, intent][seen]
