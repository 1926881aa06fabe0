"""No double run: one guest is one process, one driver is one worker, one site is one host; at every look."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.checkers import EVIDENCE_MAX
from tierhost.drills.verdicts import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tierhost.drills.history import History, Look

NAME: Final = "double_runs"
MANY: Final = ("", "spares", "zygote", "client", "other")
"""Roles of which there may be several processes, or that say nothing. A zygote of a dead host ends by itself, soon."""


def judge(history: History) -> Finding:
    """Count bodies at every look, and hold the lives of one guest against each other over all of them."""
    looks = [look for look in history.looks if "guests" in look.world or "processes" in look.world]
    if not looks:
        return Finding(NAME, Verdict.UNKNOWN, "nobody looked at the processes")
    broken = [line for look in looks for line in _at_once(look, history.began_s)] + _overlaps(looks)
    if broken:
        return Finding(NAME, Verdict.BROKEN, f"{len(broken)} times two ran where one may", tuple(broken[:EVIDENCE_MAX]))
    if not any("guests" in look.world for look in looks):
        return Finding(NAME, Verdict.UNKNOWN, "nobody looked for guests' processes")
    guests = {row["uuid"] for look in looks for row in look.world.get("guests", ())}
    return Finding(NAME, Verdict.HELD, f"{len(guests)} guests, {len(looks)} looks, one process each")


def _at_once(look: Look, began_s: float) -> list[str]:
    bodies: dict[str, set[int]] = defaultdict(set)
    for row in look.world.get("guests", ()):
        bodies[f"guest {row['uuid']}"].add(row["pid"])
    for row in look.world.get("processes", ()):
        if row.get("role", "") not in MANY and not row["role"].startswith("guest "):
            bodies[str(row["role"])].add(row["pid"])
    return [
        f"{look.at_s - began_s:+.3f} s ({look.label}): {who} is processes {', '.join(map(str, sorted(pids)))}"
        for who, pids in bodies.items()
        if len(pids) > 1
    ]


def _overlaps(looks: Iterable[Look]) -> list[str]:
    """Two processes of one guest that were never seen together, and yet must have run at the same time."""
    lives: dict[tuple[str, int, Any], list[float]] = defaultdict(list)
    for look in looks:
        for row in look.world.get("guests", ()):
            lives[row["uuid"], row["pid"], row.get("start")].append(look.at_s)
    found = []
    spans = sorted((uuid, min(seen_s), max(seen_s), pid) for (uuid, pid, _), seen_s in lives.items())
    for (uuid, _, end_s, pid), (other, begin_s, _, next_pid) in pairwise(spans):
        if uuid == other and begin_s < end_s:
            found.append(f"guest {uuid}: process {next_pid} ran before process {pid} had ended")
    return found
