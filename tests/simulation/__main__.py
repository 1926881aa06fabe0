"""`make simulate SEED=n N=m`: seed after seed until m faults have struck; a breach is shown with all that leads to it."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Final

from tests.simulation.run import run_from
from tests.simulation.stage import Broken
from tierhost.host.core.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Sequence

LINES_OF_PROGRESS: Final = 20
FAULTS_BETWEEN_LINES_MAX: Final = 50_000


def main(arguments: Sequence[str] | None = None, core_class: type[Supervisor] = Supervisor) -> int:
    """Run the simulation from the command line. Returns 0, or 1 when a promise was broken.

    `core_class` is for the tests of this program, which bring a supervisor that breaks one.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--events", type=int, default=100_000, help="how many fault events, at least")
    options = parser.parse_args(arguments)

    step = max(1, min(options.events // LINES_OF_PROGRESS, FAULTS_BETWEEN_LINES_MAX))
    shown, summary = 0, None
    try:
        for summary in run_from(options.seed, options.events, core_class):
            if summary.struck() - shown >= step:
                shown = summary.struck()
                print(f"  {summary}", flush=True)
    except Broken as broken:
        print(f"\n{broken}", flush=True)
        return 1
    print("every promise was kept:" if summary else "nothing to do", summary or "")
    for kind, times in sorted((summary.faults if summary else {}).items()):
        print(f"  {times:9,}  {kind}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
