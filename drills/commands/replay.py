"""runs the schedule of a stored run again, with its seed, and says how often it fails."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tierhost.drills import stored
from tierhost.drills.again import Tally
from tierhost.drills.cli import EXIT_OF
from tierhost.drills.counts import count
from tierhost.drills.telling import show, telling
from tierhost.drills.trial import trial
from tierhost.drills.verdicts import Verdict

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what may be asked."""
    parser.add_argument("file", type=Path, metavar="FILE", help="what `tierhost drill run --report` has written")
    parser.add_argument("--times", type=count(), default=1, metavar="N", help="how often (default %(default)s)")
    parser.add_argument("--target", metavar="NAME", help="another target than that of the stored run")


def run(arguments: argparse.Namespace) -> int:
    """Run it again. The exit code is that of the worst run."""
    old = stored.read(arguments.file)
    target = arguments.target or old.history.target
    verdicts: Counter[Verdict] = Counter()
    done = old
    for number in range(1, arguments.times + 1):
        with telling(quiet=arguments.times > 1) as tell:
            done = trial(old.drill, old.history.seed, target, tell)
        verdicts[done.verdict] += 1
        if arguments.times > 1:
            print(f"{number:4} {done.verdict.name}", flush=True)
        if arguments.times == 1 or (done.verdict is not Verdict.HELD and verdicts[done.verdict] == 1):
            show(done)
    tally = Tally(arguments.times, verdicts)
    print(f"{old.drill.name}, seed {old.history.seed}: {tally.text} (it was {old.verdict.name})")
    return EXIT_OF[tally.verdict]
