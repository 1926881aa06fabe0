"""the catalogue, one line each, with what each proves."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING, Final

from tierhost.drills import drill_file
from tierhost.drills.faults import table

if TYPE_CHECKING:
    import argparse

WIDTH_MIN: Final = 80


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what may be asked."""
    parser.add_argument("--faults", action="store_true", help="the kinds of faults instead of the drills")
    parser.add_argument("--format", choices=("plain", "json"), default="plain")


def run(arguments: argparse.Namespace) -> int:
    """Print the list."""
    if arguments.faults:
        rows = [(name, (kind.__doc__ or "").partition("\n")[0]) for name, kind in sorted(table.kinds().items())]
    else:
        drills = [drill_file.load(path) for path in sorted(drill_file.CATALOGUE.glob("*.toml"))]
        rows = [(drill.name, drill.proves) for drill in drills]
    if arguments.format == "json":
        key = "about" if arguments.faults else "proves"
        print(json.dumps([{"name": name, key: text} for name, text in rows], indent=1))
        return 0
    width = max((len(name) for name, _ in rows), default=0)
    room = max(WIDTH_MIN, shutil.get_terminal_size().columns) - width - 2 if sys.stdout.isatty() else None
    for name, text in rows:
        print(f"{name:{width}}  {text if room is None or len(text) <= room else text[: room - 3] + '...'}")
    return 0
