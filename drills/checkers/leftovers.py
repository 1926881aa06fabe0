"""No leak: no process, mount, loop device, socket or temporary file is new afterwards that nothing explains."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.acknowledged import ACTIVE_STATES, ENDED_STATES
from tierhost.drills.checkers import EVIDENCE_MAX
from tierhost.drills.verdicts import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tierhost.drills.history import History, Look

NAME: Final = "leftovers"
KINDS: Final = ("processes", "mounts", "loops", "sockets", "files")
PLAYING: Final = frozenset({"host", "zygote", "spares"})
"""Roles that explain a process, beside drivers and guests that are listed."""

UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
LIFE_SOCKET: Final = re.compile(r"(?:^|/)workers/(?P<driver>[\w-]+)\.(?P<incarnation>\d+)$")
TEMPORARY: Final = re.compile(r"(?:\.(?:new|tmp|part|partial|swp)$)|(?:(?:^|/)\.[^/]+$)|(?:~$)")
"""Names of files that are made to be renamed or removed soon."""


def judge(history: History) -> Finding:
    """Compare two looks at the world."""
    first, last = history.look("before"), history.look("after")
    if first is None or last is None or not any(kind in last.world for kind in KINDS):
        return Finding(NAME, Verdict.UNKNOWN, "nobody looked at the world before and afterwards")
    broken = [
        *_processes(first, last),
        *_mounts(first, last),
        *_loops(first, last),
        *_sockets(first, last),
        *_files(first, last),
    ]
    if broken:
        return Finding(NAME, Verdict.BROKEN, f"{len(broken)} things are left that nothing explains", tuple(broken[:EVIDENCE_MAX]))
    missing = [kind for kind in KINDS if kind not in first.world or kind not in last.world]
    if missing:
        return Finding(NAME, Verdict.UNKNOWN, f"nobody looked for {', '.join(missing)}")
    counts = ", ".join(f"{len(last.world[kind])} {kind}" for kind in KINDS)
    return Finding(NAME, Verdict.HELD, f"all that is there was there before or is explained: {counts}")


def _processes(first: Look, last: Look) -> Iterator[str]:
    before = {(row["pid"], row.get("start")) for row in first.world.get("processes", ())}
    drivers = {str(row["name"]) for row in last.status.get("drivers", ())}
    guests = {f"guest {name}" for name, row in last.objects.get("guests", {}).items() if _lives(row)}
    for row in last.world.get("processes", ()):
        role = str(row.get("role", ""))
        if (row["pid"], row.get("start")) in before or role in PLAYING | drivers | guests:
            continue
        yield f"process {row['pid']} ({role or 'no role'}): {' '.join(map(str, row.get('argv', ())))[:200]}"


def _lives(row: Mapping[str, Any]) -> bool:
    return row.get("state") not in ENDED_STATES and row.get("pid", 1) != 0


def _new(kind: str, first: Look, last: Look) -> list[str]:
    before = {str(each) for each in first.world.get(kind, ())}
    return [str(each) for each in last.world.get(kind, ()) if str(each) not in before]


def _active_targets(look: Look) -> list[str]:
    return [str(row.get("target", "")) for row in look.objects.get("pools", {}).values() if row.get("state") in ACTIVE_STATES]


def _mounts(first: Look, last: Look) -> Iterator[str]:
    targets = _active_targets(last)
    for place in _new("mounts", first, last):
        if not any(target == place or target.endswith("/" + place) for target in targets):
            yield f"mount {place}"
    stacked = [place for place in set(last.world.get("mounts", ())) if last.world["mounts"].count(place) > 1]
    yield from (f"mount {place}, more than once" for place in stacked)


def _loops(first: Look, last: Look) -> Iterator[str]:
    """A mounted image has one loop device, which may be another one after it was mounted again."""
    new = _new("loops", first, last)
    explained = len(last.world.get("mounts", ()))
    if len(last.world.get("loops", ())) > explained:
        yield from (f"loop device {name}" for name in new)


def _sockets(first: Look, last: Look) -> Iterator[str]:
    lives = {(str(row["name"]), str(row.get("incarnation"))) for row in last.status.get("drivers", ())}
    known = _uuids(last)
    for path in _new("sockets", first, last):
        life, guest = LIFE_SOCKET.search(path), UUID.search(path)
        if life and (life["driver"], life["incarnation"]) in lives:
            continue
        if guest and guest[0] in known:
            continue
        if life or guest or TEMPORARY.search(path):
            yield f"socket {path}"


def _files(first: Look, last: Look) -> Iterator[str]:
    """New files are usual (logs, databases, volumes); temporary ones, and those of things that nobody knows, are not."""
    known = _uuids(last)
    for path in _new("files", first, last):
        named = UUID.search(path.rpartition("/")[2])
        if TEMPORARY.search(path):
            yield f"temporary file {path}"
        elif named and named[0] not in known:
            yield f"file {path} of something that nobody knows"


def _uuids(look: Look) -> set[str]:
    rows = [row for rows in look.objects.values() for row in rows.values() if isinstance(row, dict)]
    return {str(row["uuid"]) for row in rows if row.get("uuid")} | set(look.objects.get("secrets", {}))
