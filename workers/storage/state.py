"""What to do with a pool or a volume after a crash: pure tables of record x world x intent."""

from __future__ import annotations

from enum import Enum
from typing import Final

from tierhost.workers.runtime.settling import Intent


class Seen(Enum):
    """What the world shows of a pool."""

    UNSEEN = "unseen"
    """There is nothing to see: a directory is a directory whether its pool is active or not."""
    ABSENT = "absent"
    OURS = "ours"
    FOREIGN = "foreign"
    """Something else is mounted at the pool's target."""


class Settlement(Enum):
    """What initialize does with one pool."""

    STAY_INACTIVE = "stay inactive"
    STAY_ACTIVE = "stay active"
    MOUNT_AGAIN = "stay active, mount again"
    STAY_ACTIVE_DEGRADED = "stay active, report the foreign mount, touch nothing"
    COMPLETE_START = "the start was finished: record it"
    ABANDON_START = "the start never happened"
    COMPLETE_STOP = "the stop was finished: record it"
    ABANDON_STOP = "the stop never happened: stay active"
    REPORT_MOUNTED = "inactive by record, mounted by somebody: report, touch nothing"


def _row(unseen: Settlement, absent: Settlement, ours: Settlement, foreign: Settlement) -> dict[Seen, Settlement]:
    return dict(zip(Seen, (unseen, absent, ours, foreign), strict=True))


SETTLEMENTS: Final[dict[tuple[bool, Intent], dict[Seen, Settlement]]] = {
    # (recorded as active, what was under way) -> by what is seen: nothing to see, not mounted, mounted, somebody else's mount
    (False, Intent.NONE): _row(
        Settlement.STAY_INACTIVE, Settlement.STAY_INACTIVE, Settlement.REPORT_MOUNTED, Settlement.REPORT_MOUNTED
    ),
    (False, Intent.START): _row(
        Settlement.ABANDON_START, Settlement.ABANDON_START, Settlement.COMPLETE_START, Settlement.ABANDON_START
    ),
    # A stop is intended only of what is active, and its outcome removes record and intent in one commit: the record is
    # missing because it was lost. The intent has all that is needed to write it again.
    (False, Intent.STOP): _row(
        Settlement.COMPLETE_STOP, Settlement.COMPLETE_STOP, Settlement.ABANDON_STOP, Settlement.COMPLETE_STOP
    ),
    (True, Intent.NONE): _row(
        Settlement.STAY_ACTIVE, Settlement.MOUNT_AGAIN, Settlement.STAY_ACTIVE, Settlement.STAY_ACTIVE_DEGRADED
    ),
    # The outcome of a start writes the record and settles the intent in one commit, so both at once is a repeated start.
    (True, Intent.START): _row(
        Settlement.COMPLETE_START, Settlement.MOUNT_AGAIN, Settlement.COMPLETE_START, Settlement.STAY_ACTIVE_DEGRADED
    ),
    (True, Intent.STOP): _row(
        Settlement.COMPLETE_STOP, Settlement.COMPLETE_STOP, Settlement.ABANDON_STOP, Settlement.STAY_ACTIVE_DEGRADED
    ),
}


def settle_pool(*, active: bool, seen: Seen, intent: Intent) -> Settlement:
    """Decide what becomes of a pool, from its record, the world, and what was under way."""
    return SETTLEMENTS[active, intent][seen]


class VolumeAct(Enum):
    """What can be under way on one volume."""

    MAKE = "make"
    DELETE = "delete"
    RESIZE = "resize"
    WIPE = "wipe"


class VolumeSettlement(Enum):
    """What becomes of a volume whose change was cut short."""

    DISCARD = "remove the half-made file; it never happened"
    COMPLETE = "it was finished: record it"
    ABANDON = "it never happened"


def settle_volume(act: VolumeAct, *, half_made: bool, there: bool, as_wanted: bool = False) -> VolumeSettlement:
    """Decide what becomes of a volume, from what was under way and what the pool's directory shows.

    `half_made`: the temporary file is there; `there`: a file of the volume's name is; `as_wanted`: it looks like what
    the change was to make of it (the same file as the temporary one, the new size).
    """
    if act is VolumeAct.MAKE:
        if there and (as_wanted or not half_made):
            return VolumeSettlement.COMPLETE
        return VolumeSettlement.DISCARD
    if act is VolumeAct.DELETE:
        return VolumeSettlement.ABANDON if there else VolumeSettlement.COMPLETE
    if act is VolumeAct.RESIZE:
        return VolumeSettlement.COMPLETE if there and as_wanted else VolumeSettlement.ABANDON
    # A wipe leaves no trace of how far it came: it is run again, or reported.
    return VolumeSettlement.ABANDON
