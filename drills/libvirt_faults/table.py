"""The five faults by their names, and a run of them over both sides."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tierhost.drills.faults import BadPlan
from tierhost.drills.libvirt_faults.guests import GHOST, KILLED, TWICE, double_run, ghost, missing_pool
from tierhost.drills.libvirt_faults.records import LOST, STOPPED, ephemeral_secrets, stopped_pools
from tierhost.drills.libvirt_faults.sides import LibvirtdSide, OurSide
from tierhost.drills.private import private_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tierhost.drills.libvirt_faults.seen import Seen
    from tierhost.drills.libvirt_faults.sides import OpenSide, Side


@dataclass(frozen=True, slots=True)
class Compared:
    """A drill that runs on either side with so many objects, and what is done in it."""

    title: str
    run: Callable[[OpenSide, int], Seen]


FAULTS: Final = {
    "ghost-guest": Compared(GHOST, ghost),
    "double-run": Compared(TWICE, double_run),
    "stopped-pools": Compared(STOPPED, stopped_pools),
    "ephemeral-secrets": Compared(LOST, ephemeral_secrets),
    "missing-pool": Compared(KILLED, missing_pool),
}

SIDES: Final[dict[str, Callable[[Path], Side]]] = {"libvirtd": LibvirtdSide, "tierhost": OurSide}


def opener(kind: Callable[[Path], Side]) -> OpenSide:
    """Return what makes a fresh side in a private folder, starts it, and ends it with all it has whatever happens."""

    @contextmanager
    def open_side() -> Iterator[Side]:
        with private_folder() as folder:
            side = kind(folder)
            try:
                side.target.start()
                yield side
            finally:
                side.target.close()

    return open_side


def compare(
    names: Sequence[str], count: int, tell: Callable[[str], None], sides: Sequence[str] = tuple(SIDES)
) -> dict[str, dict[str, Seen]]:
    """Run the named faults (none: all of them) on both sides; return what was seen by fault and side. Raises BadPlan."""
    unknown = [name for name in names if name not in FAULTS]
    if unknown:
        raise BadPlan(f"no such fault: {', '.join(unknown)}", hint=f"known: {', '.join(FAULTS)}")
    found: dict[str, dict[str, Seen]] = {}
    for name in names or FAULTS:
        for side in sides:
            seen = FAULTS[name].run(opener(SIDES[side]), count)
            found.setdefault(name, {})[side] = seen
            tell(f"{name} on {side}: {seen.verdict.name}, {seen.cell}")
    return found
