"""Checks of the plain arguments of a call."""

from __future__ import annotations

from typing import Final

from tierhost.workers.runtime.contract import Code, DriverError

VALIDATE: Final = 1
"""Of define and create: hold the XML against libvirt's schema first."""


def check_flags(flags: object, known: int = 0) -> int:
    """Return the flags of a call; raise if they are no number or have a bit that the call does not know."""
    if not isinstance(flags, int) or isinstance(flags, bool) or flags & ~known or flags < 0:
        raise DriverError(f"flags are {flags!r:.40}, this call knows {known}", code=Code.INVALID_ARG)
    return flags
