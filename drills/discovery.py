"""What a folder of this package offers: a new fault, judge or subcommand is a new file, and no list is edited."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType


def modules_of(package: ModuleType) -> dict[str, ModuleType]:
    """Import every module of a package, by its short name, in order."""
    names = sorted(found.name for found in iter_modules(package.__path__))
    return {name: import_module(f"{package.__name__}.{name}") for name in names}
