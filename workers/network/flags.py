"""libvirt's numbers for network calls, and the checks that a call's arguments are of the right kind."""

from __future__ import annotations

from typing import Final

from tierhost.workers.runtime.contract import Code, DriverError

XML_INACTIVE: Final = 1

LIST_INACTIVE: Final = 1
LIST_ACTIVE: Final = 2
LIST_PERSISTENT: Final = 4
LIST_TRANSIENT: Final = 8
LIST_AUTOSTART: Final = 16
LIST_NO_AUTOSTART: Final = 32
LIST_FLAGS: Final = 63

COMMAND_MODIFY: Final = 1
COMMAND_DELETE: Final = 2
COMMAND_ADD_LAST: Final = 3
COMMAND_ADD_FIRST: Final = 4
SECTION_IP_DHCP_HOST: Final = 4
SECTION_DNS_HOST: Final = 10
AFFECT_LIVE: Final = 1
AFFECT_CONFIG: Final = 2


def check_flags(flags: object, known: int = 0) -> int:
    """Return the flags of a call; raise if they are no number or have a bit that the call does not know."""
    if not isinstance(flags, int) or isinstance(flags, bool) or flags & ~known or flags < 0:
        raise DriverError(f"flags are {flags!r:.40}, this call knows {known}", code=Code.INVALID_ARG)
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
