"""The driver's own configuration: `[drivers.storage.options]`, checked."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Options:
    """What can be set."""

    command_limit_s: float = 20.0
    """How long mount, umount or mkfs may take; never longer than the caller waits."""

    remote_limit_s: float = 5.0
    """How long one word to a server may go unanswered, as its library counts: then the pool is shown as degraded."""

    luks_iterations: int = 100_000
    """Rounds of key stretching of a new LUKS volume: 70 ms to make, 30 ms each time a guest opens it. 1000 is the least."""


BOUNDS: Final[dict[str, tuple[bool, float, float]]] = {
    "command_limit_s": (False, 0.1, 3600.0),
    "remote_limit_s": (False, 1.0, 300.0),
    "luks_iterations": (True, 1000, 100_000_000),
}
"""Of each option: whether it is a whole number, and from where to where."""


def read_options(raw: Mapping[str, Any]) -> Options:
    """Check the options. Raises DriverError naming the key."""
    known = {field.name for field in fields(Options)}
    for key, value in raw.items():
        if key not in known:
            raise _wrong(key, f"unknown (known: {', '.join(sorted(known))})")
        whole, low, high = BOUNDS[key]
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or not low <= value <= high:
            raise _wrong(key, f"expected a {'whole ' if whole else ''}number from {low} to {high}, got {value!r}")
    return Options(**raw)


def _wrong(key: str, what: str) -> DriverError:
    return DriverError(what, code=Code.CONF_SYNTAX, subject=f"drivers.storage.options.{key}")
