"""What to do with a network or a port after a crash: pure tables of record x world x intent."""

from __future__ import annotations

from enum import Enum
from typing import Final

from tierhost.workers.runtime.settling import Intent


class Seen(Enum):
    """What the world shows of a network's bridge."""

    UNSEEN = "unseen"
    """There is nothing of ours to see: the bridge is somebody else's, whether the network is active or not."""
    ABSENT = "absent"
    OURS = "ours"
    FOREIGN = "foreign"
    """Something else has the bridge's name."""


class Settlement(Enum):
    """What initialize does with one network."""

    STAY_INACTIVE = "stay inactive"
    KEEP = "stay active, make what is missing"
    KEEP_DEGRADED = "stay active, report what has its bridge's name, touch nothing"
    ADOPT = "its record is lost and its bridge is there: active, make the record again"
    UNDO_START = "the start was never acknowledged: take away what is there of it"
    FINISH_STOP = "the stop was under way: take away what is left, record it"


def _row(unseen: Settlement, absent: Settlement, ours: Settlement, foreign: Settlement) -> dict[Seen, Settlement]:
    return dict(zip(Seen, (unseen, absent, ours, foreign), strict=True))


def _always(settlement: Settlement) -> dict[Seen, Settlement]:
    return dict.fromkeys(Seen, settlement)


SETTLEMENTS: Final[dict[tuple[bool, Intent], dict[Seen, Settlement]]] = {
    # (recorded as active, what was under way) -> by what is seen of the bridge: nothing to see, absent, ours, somebody else's
    (False, Intent.NONE): _row(Settlement.STAY_INACTIVE, Settlement.STAY_INACTIVE, Settlement.ADOPT, Settlement.STAY_INACTIVE),
    (False, Intent.START): _always(Settlement.UNDO_START),
    # A stop's outcome removes record and intent in one commit: a record that is missing beside the intent was lost.
    (False, Intent.STOP): _always(Settlement.FINISH_STOP),
    (True, Intent.NONE): _row(Settlement.KEEP, Settlement.KEEP, Settlement.KEEP, Settlement.KEEP_DEGRADED),
    # A start's outcome writes the record and settles the intent in one commit, so both at once is a repeated start.
    (True, Intent.START): _row(Settlement.KEEP, Settlement.KEEP, Settlement.KEEP, Settlement.KEEP_DEGRADED),
    (True, Intent.STOP): _always(Settlement.FINISH_STOP),
}


def settle_network(*, active: bool, seen: Seen, intent: Intent) -> Settlement:
    """Decide what becomes of a network, from its record, the world, and what was under way."""
    return SETTLEMENTS[active, intent][seen]


class PortAct(Enum):
    """What was under way on one port."""

    NONE = "none"
    MAKE = "make"
    DROP = "drop"


class PortSettlement(Enum):
    """What becomes of a port."""

    KEEP = "it stays: plug it in again if need be"
    REMOVE = "it goes, with its device"


def settle_port(*, recorded: bool, act: PortAct) -> PortSettlement:
    """Decide what becomes of a port: what was acknowledged stays until it is given back, whatever became of its network."""
    return PortSettlement.KEEP if recorded and act is not PortAct.DROP else PortSettlement.REMOVE


RETRY_FIRST_S: Final = 1.0
RETRY_LAST_S: Final = 60.0
DOUBLINGS_MAX: Final = 10


def retry_s(attempt: int) -> float:
    """How long to wait before the next try at bringing something back; the first is at once."""
    return min(RETRY_FIRST_S * (1 << min(attempt - 1, DOUBLINGS_MAX)), RETRY_LAST_S) if attempt > 0 else 0.0
