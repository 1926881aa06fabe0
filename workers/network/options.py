"""The driver's own configuration: `[drivers.network.options]`, checked."""

from __future__ import annotations

import pwd
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMIT_S_MIN: Final = 0.1
LIMIT_S_MAX: Final = 600.0


@dataclass(frozen=True, slots=True)
class Options:
    """What can be set."""

    command_limit_s: float = 10.0
    """How long all that a start or a stop runs may take; never longer than the caller waits."""

    dnsmasq_user: str = "nobody"
    """Whom dnsmasq becomes once it has its sockets and its lease file open."""


def read_options(raw: Mapping[str, Any]) -> Options:
    """Check the options. Raises DriverError naming the key."""
    known = {field.name for field in fields(Options)}
    for key in raw:
        if key not in known:
            raise _wrong(key, f"unknown (known: {', '.join(sorted(known))})")
    made = Options(**raw)
    limit_s = made.command_limit_s
    if isinstance(limit_s, bool) or not isinstance(limit_s, int | float) or not LIMIT_S_MIN <= limit_s <= LIMIT_S_MAX:
        raise _wrong("command_limit_s", f"expected a number from {LIMIT_S_MIN} to {LIMIT_S_MAX}, got {limit_s!r}")
    if not isinstance(made.dnsmasq_user, str):
        raise _wrong("dnsmasq_user", f"expected text, got {made.dnsmasq_user!r}")
    try:
        pwd.getpwnam(made.dnsmasq_user)
    except (KeyError, ValueError):
        raise _wrong("dnsmasq_user", f"there is no user {made.dnsmasq_user!r:.40}") from None
    return made


def _wrong(key: str, what: str) -> DriverError:
    return DriverError(what, code=Code.CONF_SYNTAX, subject=f"drivers.network.options.{key}")
