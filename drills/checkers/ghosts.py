"""No ghost: who is listed as running is there, who is there is listed, and what is active is mounted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tierhost.drills.acknowledged import ACTIVE_STATES, ENDED_STATES
from tierhost.drills.checkers import EVIDENCE_MAX
from tierhost.drills.verdicts import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierhost.drills.history import History, Look

NAME: Final = "ghosts"
SETTLED: Final = ("before", "after")
"""Looks at a site that has come to rest. In between a list may be older than the world."""

MOUNTED: Final = frozenset({"fs", "netfs"})
"""Types of pools that are active only while something is mounted at their target."""


def judge(history: History) -> Finding:
    """Hold lists against processes and mounts."""
    looks = [look for look in history.looks if look.label in SETTLED and "guests" in look.objects and "guests" in look.world]
    broken = [f"{look.at_s - history.began_s:+.3f} s ({look.label}): {line}" for look in looks for line in _ghosts(look)]
    if broken:
        return Finding(
            NAME, Verdict.BROKEN, f"{len(broken)} things are listed or there, and not both", tuple(broken[:EVIDENCE_MAX])
        )
    if not any(look.label == "after" for look in looks):
        return Finding(NAME, Verdict.UNKNOWN, "nobody listed the guests afterwards and looked for their processes")
    guests = sum(len(look.world["guests"]) for look in looks)
    return Finding(
        NAME, Verdict.HELD, f"{len(looks)} looks: every guest that is listed is there ({guests} in all), and the reverse"
    )


def _ghosts(look: Look) -> Iterator[str]:
    there = {(str(row["uuid"]), int(row["pid"])) for row in look.world["guests"]}
    uuids, pids = {uuid for uuid, _ in there}, {pid for _, pid in there}
    listed = {name: row for name, row in look.objects["guests"].items() if _runs(row)}
    for name, row in listed.items():
        if row.get("pid") and int(row["pid"]) not in pids:
            yield f"guest {name} is listed as {row['state']} in process {row['pid']}, which is not there"
        elif not row.get("pid") and str(row.get("uuid")) not in uuids:
            yield f"guest {name} is listed as {row['state']}, and has no process"
    known = {str(row.get("uuid")) for row in listed.values()} | {name for name, row in listed.items() if not row.get("uuid")}
    names = {str(row["uuid"]): str(row.get("name", "")) for row in look.world["guests"]}
    for uuid, pid in sorted(there):
        if uuid not in known and names[uuid] not in listed:
            yield f"process {pid} is guest {names[uuid] or uuid}, which nobody lists as running"
    yield from _unmounted(look)


def _runs(row: dict[str, object]) -> bool:
    return row.get("state") not in ENDED_STATES and row.get("pid", 1) != 0


def _unmounted(look: Look) -> Iterator[str]:
    if "mounts" not in look.world:
        return
    mounts = [str(place).rstrip("/") for place in look.world["mounts"]]
    for name, row in look.objects.get("pools", {}).items():
        target = str(row.get("target", ""))
        claimed = row.get("state") in ACTIVE_STATES and row.get("type") in MOUNTED and target
        # A look has paths below the site's folder, a pool the whole path.
        if claimed and not any(target == place or target.endswith("/" + place) for place in mounts):
            yield f"pool {name} is listed as {row['state']}, and nothing is mounted at {target}"
