"""runs one drill: a name of the catalogue or a TOML file; exit code 0 HELD, 1 BROKEN, 3 UNKNOWN."""

from __future__ import annotations

import json
import os
import secrets
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tierhost.drills import drill_file, reports, stored
from tierhost.drills.cli import EXIT_OF
from tierhost.drills.repeating import BUILD, on_build, repeated, taken_together, verdict_of
from tierhost.drills.reports import as_json, as_text
from tierhost.drills.reports.results import Run, Trial
from tierhost.drills.telling import show, telling
from tierhost.drills.trial import trial

if TYPE_CHECKING:
    import argparse

    from tierhost.drills.plan import Drill
    from tierhost.drills.stored import Stored

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
        "--times",
        type=int,
        default=1,
        metavar="N",
        help="so often, each time with the next seed; then recovery times and lost acknowledgements as distributions",
    )
    parser.add_argument(
        "--build", type=Path, metavar="DIR", help="in turn with another build of the host, and both beside each other"
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="DIR",
        help="write the run there, as JSON for `replay` and `shrink`, and in a folder as HTML, JUnit XML and a trace",
    )
    parser.add_argument("--format", choices=("plain", "json"), default="plain", help="json: the run instead of lines")


def run(arguments: argparse.Namespace) -> int:
    """Run it. What is given out is the verdict (of many runs the worst), and with --report where the runs were written."""
    drill = drill_file.load(drill_file.find(arguments.drill))
    seed = secrets.randbits(8 * SEED_BYTES) if arguments.seed is None else arguments.seed
    if arguments.times != 1 or arguments.build:
        return _many(arguments, drill, seed)
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


def _many(arguments: argparse.Namespace, drill: Drill, seed: int) -> int:
    """Run it many times, here or in turn with another build; print each verdict, then the figures."""
    plain = arguments.format == "plain"

    def once(drill: Drill, seed: int) -> Stored:
        done = trial(drill, seed, arguments.target, lambda _text: None, control=arguments.control)
        if plain:
            print(f"{done.verdict.name:8}seed {seed}{_build_of(drill)}", flush=True)
        if arguments.report:
            other = "-other" if BUILD in drill.options else ""
            stored.write(arguments.report / f"{drill.name}{other}-{seed}.json", done)
        return done

    drills = [drill, on_build(drill, arguments.build)] if arguments.build else [drill]
    sets = repeated(drills, seed, arguments.times, once)
    told = taken_together(sets, _command(arguments, seed))
    verdict = verdict_of(sets)
    if plain:
        print(f"{verdict.name}  {drill.name}: {drill.title}")
        for line in as_text.figures(told):
            print(f"  {line}")
    else:
        print(as_json.render(told), end="")
    if arguments.report:
        written = reports.write(arguments.report / f"{drill.name}-{seed}-times-{arguments.times}", told)
        if plain:
            print(f"  to be read: {', '.join(os.path.relpath(each) for each in written)}")
    return EXIT_OF[verdict]


def _build_of(drill: Drill) -> str:
    return f", {drill.options[BUILD]}" if BUILD in drill.options else ""


def _command(arguments: argparse.Namespace, seed: int) -> str:
    words = ["tierhost", "drill", "run", arguments.drill, "--seed", str(seed), "--times", str(arguments.times)]
    words += ["--build", str(arguments.build)] if arguments.build else []
    words += ["--target", arguments.target] if arguments.target != "ours" else []
    return shlex.join(words + (["--control"] if arguments.control else []))
