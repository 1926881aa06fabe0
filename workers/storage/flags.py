"""libvirt's flag numbers for storage calls, and the check that a call has only those it knows."""

from __future__ import annotations

from typing import Final

from tierhost.workers.runtime.contract import Code, DriverError

BUILD_NO_OVERWRITE: Final = 4
BUILD_OVERWRITE: Final = 8
BUILD_FLAGS: Final = BUILD_NO_OVERWRITE | BUILD_OVERWRITE

CREATE_WITH_BUILD: Final = 1
CREATE_WITH_BUILD_OVERWRITE: Final = 2
CREATE_WITH_BUILD_NO_OVERWRITE: Final = 4
CREATE_FLAGS: Final = CREATE_WITH_BUILD | CREATE_WITH_BUILD_OVERWRITE | CREATE_WITH_BUILD_NO_OVERWRITE

XML_INACTIVE: Final = 1

LIST_INACTIVE: Final = 1
LIST_ACTIVE: Final = 2
LIST_PERSISTENT: Final = 4
LIST_TRANSIENT: Final = 8
LIST_AUTOSTART: Final = 16
LIST_NO_AUTOSTART: Final = 32
LIST_FLAGS: Final = 63

VOL_CREATE_PREALLOC_METADATA: Final = 1
VOL_CREATE_REFLINK: Final = 2
VOL_DELETE_ZEROED: Final = 1
VOL_RESIZE_ALLOCATE: Final = 1
VOL_RESIZE_DELTA: Final = 2
VOL_RESIZE_SHRINK: Final = 4


def check_flags(flags: object, known: int = 0) -> int:
    """Return the flags of a call; raise if they are no number or have a bit that the call does not know."""
    if not isinstance(flags, int) or isinstance(flags, bool) or flags & ~known or flags < 0:
        raise DriverError(f"flags are {flags!r}, this call knows {known}", code=Code.INVALID_ARG)
    return flags


def check_text(value: object, what: str) -> str:
    """Return an argument that must be text."""
    if not isinstance(value, str) or not value:
        raise DriverError(f"{what} is {str(value)[:80]!r}, expected text", code=Code.INVALID_ARG)
    return value


def check_whole(value: object, what: str, low: int, high: int) -> int:
    """Return an argument that must be a whole number within bounds."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise DriverError(f"{what} is {str(value)[:80]!r}, expected a whole number from {low} to {high}", code=Code.INVALID_ARG)
    return value
