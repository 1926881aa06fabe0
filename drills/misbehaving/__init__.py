"""Programs that run in a worker's place and misbehave in one way each: a real driver (or an idle one), wrapped from outside."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.misbehaving import in_methods, in_verbs, leaking, on_the_line
from tierhost.drills.misbehaving.ways import LOADED, Way

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.workers.runtime.contract import StateDriver

WAYS: Final[dict[str, Way]] = {way.name: way for module in (in_verbs, in_methods, on_the_line, leaking) for way in module.WAYS}
"""Every way to misbehave, by its name."""


def misbehave(base: type[StateDriver], way: str, options: Mapping[str, Any], told: str) -> type[StateDriver]:
    """Return the driver class with this one way added. What it does is told in the file `told`, a line each time."""

    def tell(what: str) -> None:
        with Path(told).open("a", encoding="utf-8") as file:
            file.write(f"{os.getpid()} {what}\n")

    tell(LOADED)
    members = WAYS[way].members(base, options, tell)
    return type(base.__name__, (base,), {"__doc__": base.__doc__, "__module__": base.__module__, **members})
