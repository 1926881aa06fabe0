"""Heals one fault from what its leash says, for whoever died over it: `python -m tierhost.drills.faults.undoing FILE`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.faults import table

if TYPE_CHECKING:
    from collections.abc import Mapping

MODULE: Final = "tierhost.drills.faults.undoing"
PLACE: Final = "drill"
"""The folder below a target's that is the drills' own: leashes, small disks, programs."""


def keep(folder: Path, name: str, leash: Mapping[str, Any]) -> Path:
    """Write down what is needed to heal, where the leash process looks."""
    path = folder / PLACE / "leashes" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(leash), encoding="utf-8")
    os.replace(fresh, path)
    return path


def commands(folder: Path) -> list[list[str]]:
    """Return what must be run to heal every fault that was written down and not taken back."""
    return [[sys.executable, "-m", MODULE, str(path)] for path in sorted((folder / PLACE / "leashes").glob("*.json"))]


def main(argv: list[str]) -> int:
    """Heal, and take it back."""
    path = Path(argv[0])
    leash = json.loads(path.read_text(encoding="utf-8"))
    kind: Any = table.kinds()[leash["kind"]]
    kind.undo(**leash["arguments"])
    path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
