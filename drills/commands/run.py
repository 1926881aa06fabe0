"""runs one drill: a name of the catalogue or a TOML file; exit code 0 HELD, 1 BROKEN, 3 UNKNOWN."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tierhost.drills import drill_file, reports, stored
from tierhost.drills.cli import EXIT_OF
from tierhost.drills.reports.results import Run, Trial
from tierhost.drills.telling import show, telling
from tierhost.drills.trial import trial

if TYPE_CHECKING:
    import argparse

SEED_BYTES: Final = 4


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what may be asked."""
    parser.add_argument("drill", metavar="NAME|FILE", help="see `tierhost drill list`, or a TOML file")
    parser.add_argument(
        "--seed", type=int, metavar="N", help="what the plan leaves to chance grows from it (default: made up, and printed)"
    )
    parser.add_argument("--target", default="ours", metavar="NAME", help="what is drilled (default %(default)s)")
    parser.add_argument(
        "--control", action="store_true", help="first the same without faults, for judges of speed to compare with"
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="DIR",
        help="write the run there, as JSON for `replay` and `shrink`, and in a folder as HTML, JUnit XML and a trace",
    )
    parser.add_argument("--format", choices=("plain", "json"), default="plain", help="json: the run instead of lines")


def run(arguments: argparse.Namespace) -> int:
    """Run it once. What is given out is the verdict, and with --report where the run was written."""
    drill = drill_file.load(drill_file.find(arguments.drill))
    seed = secrets.randbits(8 * SEED_BYTES) if arguments.seed is None else arguments.seed
    plain = arguments.format == "plain"
    with telling(quiet=not plain) as tell:
        done = trial(drill, seed, arguments.target, tell, control=arguments.control)
    if plain:
        show(done)
    else:
        print(json.dumps(stored.value_of(done), indent=1, default=str))
    if arguments.report:
        path = arguments.report / f"{drill.name}-{seed}.json"
        stored.write(path, done)
        again = f"tierhost drill replay {os.path.relpath(path)}"
        told = reports.write(path.with_suffix(""), Run(drill, (Trial(done.history, done.findings),), again))
        if plain:
            print(f"  written to {os.path.relpath(path)}; again: {again}")
            print(f"  to be read: {', '.join(os.path.relpath(each) for each in told)}")
    return EXIT_OF[done.verdict]
