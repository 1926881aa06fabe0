"""Waits until what a person asked of a driver has happened, so that the next command of a script finds it done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tierhost.ipc.errors import DeadlineExceeded, DriverError

if TYPE_CHECKING:
    from tierhost.ipc.client import Client

SERVES: Final = frozenset({"READY", "SKIPPED", "DORMANT"})
DOWN: Final = frozenset({"STOPPED"})
AT_REST: Final = frozenset({"READY", "SKIPPED", "DORMANT", "STOPPED", "QUARANTINED"})


def settle(client: Client, name: str, wanted: frozenset[str], deadline_s: float) -> None:
    """Return once the driver (with no name: each) is at rest in one of the phases `wanted`; wait `deadline_s` at most.

    Raises DriverError if it came to rest anywhere else, DeadlineExceeded if it did not come to rest. The host answers
    what was asked when it has begun, so the first look does not see the time before.
    """

    def rested() -> list[dict[str, Any]] | None:
        rows = [row for row in client.host("status")["drivers"] if name in {"", row["name"]}]
        return rows if all(row["phase"] in AT_REST for row in rows) else None

    try:
        rows = client.wait_until(rested, f"driver {name}".strip(), deadline_s=deadline_s)
    except DeadlineExceeded:
        reason = f"what was asked of it is still under way after {deadline_s:g} s"
        raise DeadlineExceeded(reason, subject=f"driver {name}", hint="`tierhost status` shows how far it is") from None
    for row in rows:
        if row["phase"] not in wanted:
            hint = f"`tierhost story {row['name']}` says how it came to that"
            raise DriverError(f"it is {row['phase']}: {row['last_error']}", subject=f"driver {row['name']}", hint=hint)
