"""Three faults around running guests: the ghost, the double run, and the pool that is not there yet."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.faults import NotFired
from tierhost.drills.libvirt_faults import definitions
from tierhost.drills.libvirt_faults.dying import CALLS, DiesAtWrite
from tierhost.drills.libvirt_faults.seen import Seen, together
from tierhost.drills.libvirt_faults.sides import ask
from tierhost.drills.targets import NoAnswer
from tierhost.drills.waiting import within
from tierhost.ipc.errors import TierhostError

if TYPE_CHECKING:
    from tierhost.drills.history import Look
    from tierhost.drills.libvirt_faults.sides import OpenSide, Side

GHOST: Final = "a guest's start is killed at a state write"
TWICE: Final = "a running guest's status file is truncated"
KILLED: Final = "a restart finds the pool's directory missing"

RUNS: Final = frozenset({"running", "paused"})
WRITES_MAX: Final = 60
SETTLE_LIMIT_S: Final = 3.0
"""So long a side may take to make up its mind about a guest once it answers again."""


def processes(look: Look, uuid: str) -> int:
    """Count the QEMU processes of one guest, as the kernel shows them."""
    return sum(1 for guest in look.world.get("guests", []) if guest["uuid"] == uuid)


@dataclass(frozen=True, slots=True)
class Write:
    """One of the system calls by which a start writes down how the guest is: the n-th of its kind."""

    call: str
    number: int


def ghost(open_side: OpenSide, count: int) -> Seen:
    """Find every state write of a guest's start, die at each; then `count` times at one that left a ghost, if any."""
    found: dict[Write, Seen] = {}
    for call in CALLS:
        for number in range(1, WRITES_MAX + 1):
            seen = _ghost_at(open_side, Write(call, number))
            if not seen.count:
                break
            found[Write(call, number)] = seen
    bad = [write for write, seen in found.items() if seen.wronged]
    if not found:
        return Seen(GHOST, "", 0, 0, "ghosts", ("a start made no state write that could be struck",))
    every = together(list(found.values()))
    if not bad:
        return every
    again = together([_ghost_at(open_side, bad[0]) for _ in range(count)])
    note = f"at {bad[0].call} {bad[0].number} (of {len(found)} state writes, {len(bad)} leave a ghost)"
    return replace(again, evidence=every.evidence + again.evidence, note=note)


def _ghost_at(open_side: OpenSide, write: Write) -> Seen:
    with open_side() as side:
        uuid = ask(side, "qemu.domain_define_xml", definitions.guest("ghost"))["uuid"]
        with DiesAtWrite(side.writer(), write.call, write.number, side.folder / "strace.log") as death:
            told = _attempt(side, "qemu.domain_create", "ghost")
            try:
                proof = death.proof()
            except NotFired as reason:
                return Seen(GHOST, side.name, 0, 0, "ghosts", (f"{side.name}: {reason}; start said: {told}",))
        side.recover()
        within(lambda: not is_ghost(side.target.look("settling"), uuid), SETTLE_LIMIT_S)
        look = side.target.look("after")
        state, alive = look.objects["guests"]["ghost"]["state"], processes(look, uuid)
        evidence = f"{proof}; start said: {told}; afterwards: {state}, {alive} process(es)"
        return Seen(GHOST, side.name, int(is_ghost(look, uuid)), 1, "ghosts", (evidence,))


def is_ghost(look: Look, uuid: str) -> bool:
    """Whether a guest is listed as one that runs and no process of it is there. Not to be seen is no ghost."""
    rows: list[dict[str, Any]] = [row for row in look.objects.get("guests", {}).values() if row["uuid"] == uuid]
    return any(row["state"] in RUNS for row in rows) and processes(look, uuid) == 0


def double_run(open_side: OpenSide, count: int) -> Seen:
    """Crash, truncate what says that the guests run, start again, and ask for the guests' start as their user would."""
    with open_side() as side:
        damages = len(side.status_files("twice-0"))
    return together([_double_run(open_side, count, damage) for damage in range(damages)])


def _double_run(open_side: OpenSide, count: int, damage: int) -> Seen:
    with open_side() as side:
        uuids = {f"twice-{number}": "" for number in range(count)}
        for name in uuids:
            uuids[name] = ask(side, "qemu.domain_define_xml", definitions.guest(name))["uuid"]
            ask(side, "qemu.domain_create", name)
        side.crash()
        paths = {path for name in uuids for path in side.status_files(name)[damage]}
        for path in paths:
            with path.open("r+b") as file:
                file.truncate(0)
        side.target.start()
        shown = side.target.look("restarted").objects["guests"]
        told = {name: _attempt(side, "qemu.domain_create", name) for name in uuids}
        look = side.target.look("after")
        runs = {name: processes(look, uuid) for name, uuid in uuids.items()}
        files = ", ".join(sorted({path.name for path in paths}))
        evidence = [
            f"{files} truncated; {name}: shown {shown.get(name, {}).get('state', 'nowhere')}; start said: {told[name]}; "
            f"{runs[name]} process(es)"
            for name in uuids
        ]
        twice = sum(runs[name] > 1 for name in uuids)
        return Seen(TWICE, side.name, twice, count, "guests run twice", tuple(evidence))


def missing_pool(open_side: OpenSide, count: int) -> Seen:
    """Crash with guests on volumes, restart while the pool's directory is missing, bring it back; count who was killed."""
    with open_side() as side:
        folder, away = side.folder / "pool", side.folder / "not-mounted-yet"
        ask(side, "storage.storage_pool_define_xml", definitions.pool("pool", folder))
        ask(side, "storage.storage_pool_create", "pool", 1)
        uuids = {}
        for number in range(count):
            name = f"guest-{number}"
            ask(side, "storage.storage_vol_create_xml", "pool", definitions.volume(name))
            uuids[name] = ask(side, "qemu.domain_define_xml", definitions.guest(name, "pool", name))["uuid"]
            ask(side, "qemu.domain_create", name)
        before = side.target.look("before")
        side.crash()
        folder.rename(away)
        began_s = time.monotonic()
        side.target.start()
        within(lambda: not any(processes(side.target.look("settling"), uuid) for uuid in uuids.values()), SETTLE_LIMIT_S)
        away.rename(folder)
        look = side.target.look("after")
        ran = [name for name, uuid in uuids.items() if processes(before, uuid) == 1]
        killed = [name for name in ran if processes(look, uuids[name]) == 0]
        states = {name: row["state"] for name, row in look.objects["guests"].items()}
        evidence = [f"the directory was missing for {time.monotonic() - began_s:.1f} s after the restart"]
        evidence += [f"{name}: {'killed' if name in killed else 'runs'}, shown {states.get(name)}" for name in ran]
        return Seen(KILLED, side.name, len(killed), len(ran), "running guests killed", tuple(evidence))


def _attempt(side: Side, method: str, *args: Any) -> str:
    """Make a call, and say how it ended."""
    try:
        ask(side, method, *args)
    except NoAnswer as error:
        return f"nobody knows ({error.text})"
    except TierhostError as error:
        return f"refused ({error.text})"
    return "done"
