"""Flags of libvirt's interface calls: what is not known is refused."""

from __future__ import annotations

from typing import Final

from tierhost.workers.runtime.contract import Code, DriverError

LIST_INACTIVE: Final = 1
LIST_ACTIVE: Final = 2
XML_INACTIVE: Final = 1


def check_flags(flags: object, known: int = 0) -> int:
    """Return the flags. Raises DriverError for one that nobody acts on."""
    if type(flags) is not int or flags & ~known:
        reason = f"unsupported flags ({flags!r:.20}) in a call to the interface driver"
        raise DriverError(reason, code=Code.INVALID_ARG, subject="interface")
    return flags
