"""Arguments of calls that must be text, a whole number, or flags; and the flags by which libvirt selects what is listed."""

from __future__ import annotations

from typing import Final

from tierhost.workers.runtime.contract import Code, DriverError

LIST_INACTIVE: Final = 1
LIST_ACTIVE: Final = 2
LIST_PERSISTENT: Final = 4
LIST_TRANSIENT: Final = 8
LIST_AUTOSTART: Final = 16
LIST_NO_AUTOSTART: Final = 32
LIST_FLAGS: Final = 63
"""Of pools and networks (virConnectListAll...Flags): the same bits."""

QUOTED_CHARS_MAX: Final = 80


def check_flags(flags: object, known: int = 0) -> int:
    """Return the flags of a call; refuse what is no number, or means something in libvirt and nothing here."""
    if not isinstance(flags, int) or isinstance(flags, bool) or flags < 0:
        raise DriverError(f"flags are {flags!r:.40}, expected a whole number", code=Code.INVALID_ARG)
    if flags & ~known:
        raise DriverError(f"unsupported flags (0x{flags & ~known:x})", code=Code.INVALID_ARG, hint=f"known here: 0x{known:x}")
    return flags


def check_text(value: object, what: str) -> str:
    """Return an argument that must be text."""
    if not isinstance(value, str) or not value:
        raise DriverError(f"{what} is {str(value)[:QUOTED_CHARS_MAX]!r}, expected text", code=Code.INVALID_ARG)
    return value


def check_whole(value: object, what: str, low: int, high: int) -> int:
    """Return an argument that must be a whole number within bounds."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        reason = f"{what} is {str(value)[:QUOTED_CHARS_MAX]!r}, expected a whole number from {low} to {high}"
        raise DriverError(reason, code=Code.INVALID_ARG)
    return value


def is_listed(flags: int, *, active: bool, persistent: bool, autostart: bool) -> bool:
    """Say whether flags of a list select an object: of each pair of opposites, one that is set must be true of it."""
    pairs = (
        (LIST_ACTIVE, LIST_INACTIVE, active),
        (LIST_PERSISTENT, LIST_TRANSIENT, persistent),
        (LIST_AUTOSTART, LIST_NO_AUTOSTART, autostart),
    )
    return all(not flags & (yes | no) or flags & (yes if true else no) for yes, no, true in pairs)
