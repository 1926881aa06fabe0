"""What a way to misbehave is: a name, what it does, its options, and the members that it adds to a driver class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tierhost.workers.runtime.contract import StateDriver

LOADED: Final = "loaded"
"""What is told first: the program is imported."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Way:
    """One way. `at_once`: it misbehaves by itself, and not only when it is called. `options`: their names and defaults."""

    name: str
    what: str
    members: Callable[[type[StateDriver], Mapping[str, Any], Tell], dict[str, Any]]
    at_once: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)
