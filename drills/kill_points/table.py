"""Every operation there is, by name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tierhost.drills.kill_points import domains, exercised, host_trials, pools, volumes
from tierhost.ipc.errors import Code, TierhostError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tierhost.drills.kill_points.operation import Operation

OPERATIONS: Final[tuple[Operation, ...]] = (
    *pools.OPERATIONS,
    *volumes.OPERATIONS,
    *domains.OPERATIONS,
    *exercised.OPERATIONS,
    *host_trials.OPERATIONS,
)
"""In the order in which a sweep takes them."""


AT_SYSTEM_CALLS: Final = "@system-calls"
"""Behind the name of an operation that is cut off at system calls, not at lines."""


class NoOperation(TierhostError):
    """Raised when no operation has such a name."""

    code = Code.INVALID_ARG


def named(wanted: Iterable[str]) -> tuple[Operation, ...]:
    """Return the operations of a driver, of a method, or of this very name. Raises NoOperation."""
    found: list[Operation] = []
    for name in wanted:
        of_it = [one for one in OPERATIONS if name in {one.name, one.method, one.driver}]
        if not of_it:
            raise NoOperation(f"no operation is called '{name}'", hint="tierhost drill points --list")
        found += [one for one in of_it if one not in found]
    return tuple(found)


def at_system_calls(operations: Iterable[Operation]) -> tuple[Operation, ...]:
    """Return the same to be cut off at system calls: those whose worker is there before the call begins."""
    return tuple(
        replace(one, name=f"{one.name}{AT_SYSTEM_CALLS}", victim=f"{one.driver}.{one.at}")
        for one in operations
        if not one.at.startswith("state_")
    )
