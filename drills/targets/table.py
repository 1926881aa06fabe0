"""All targets there are: each module of this folder adds its own in a table `TARGETS`, name -> maker(folder, drill)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierhost.drills import targets
from tierhost.drills.discovery import modules_of
from tierhost.drills.faults import BadPlan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tierhost.drills.plan import Drill
    from tierhost.drills.targets import Target


def names() -> dict[str, Callable[[Path, Drill], Target]]:
    """Return every target's maker by its name."""
    found: dict[str, Callable[[Path, Drill], Target]] = {}
    for name, module in modules_of(targets).items():
        if name != "table":
            found |= getattr(module, "TARGETS", {})
    return found


def make(name: str, folder: Path, drill: Drill) -> Target:
    """Make one in a private folder; it is not started yet. Raises BadPlan."""
    known = names()
    if name not in known:
        raise BadPlan(f"{name!r} is no target", hint=f"known: {', '.join(sorted(known))}")
    return known[name](folder, drill)
