"""The planted bugs as they stand in mutants.toml, and a copy of the product with one of them in it."""

from __future__ import annotations

import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parents[2]
TABLE: Final = Path(__file__).with_name("mutants.toml")
PARTS: Final = ("ipc", "host", "workers", "drills", "tierhost", "docs/examples")
"""What a copy has: the product, the drills, and the site they use."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One bug: in `file`, the text `old` (once) becomes `new`. `by`: the drills that should see it, the likeliest first."""

    name: str
    file: str
    old: str
    new: str
    why: str
    by: tuple[str, ...]

    def applied(self, text: str) -> str:
        """Plant it. Raises ValueError if the text is not there exactly once: the product has moved on."""
        if text.count(self.old) != 1:
            message = f"{self.name}: {self.file} has its text {text.count(self.old)} times, expected once"
            raise ValueError(message)
        return text.replace(self.old, self.new)


def mutants() -> list[Mutant]:
    """Read the table."""
    raw = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return [Mutant(name, one["file"], one["old"], one["new"], one["why"], tuple(one.get("by", ()))) for name, one in raw.items()]


def copy_product(folder: Path, mutant: Mutant | None = None) -> Path:
    """Copy the product into a folder, with a bug or as it is; return the folder, which is then a place to import from."""
    for part in PARTS:
        shutil.copytree(PROJECT / part, folder / part, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    if mutant is not None:
        path = folder / mutant.file
        path.write_text(mutant.applied(path.read_text(encoding="utf-8")), encoding="utf-8")
    return folder
