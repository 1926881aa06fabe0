"""All kinds of faults there are: each module of this folder adds its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierhost.drills import faults
from tierhost.drills.discovery import modules_of
from tierhost.drills.faults import BadPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tierhost.drills.faults import Striking
    from tierhost.drills.targets import Target


def kinds() -> dict[str, Callable[[Target, str, Mapping[str, Any]], Striking]]:
    """Return every kind by its name in a plan."""
    found: dict[str, Callable[[Target, str, Mapping[str, Any]], Striking]] = {}
    for name, module in modules_of(faults).items():
        if name != "table":
            found |= getattr(module, "KINDS", {})
    return found


def make(kind: str, target: Target, whom: str, options: Mapping[str, Any]) -> Striking:
    """Make one fault. Raises BadPlan."""
    known = kinds()
    if kind not in known:
        raise BadPlan(f"{kind!r} is no kind of fault", hint=f"known: {', '.join(sorted(known))}")
    return known[kind](target, whom, options)
