"""the race of 2014: flat loading against tiers, same faults, same guests; who lost a guest, and how often."""

from __future__ import annotations

import json
import secrets
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from tierhost.drills import race, race_figures
from tierhost.drills.counts import count
from tierhost.drills.private import private_folder

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from tierhost.drills.race import Trial

TRIALS: Final = 40
TELL_EVERY: Final = 10

READING: Final = """
A guest is lost in a trial when it is marked to start at a boot and does not run when the host says that all is ready ("never
started": nor 3 s later), or when it ran before a crash of everything else and its process is gone after the restart. Drivers
"ours" try again when a pool is not there, and never end a guest; "libvirt-like" ones try once, and end a guest whose volume
is not to be found at a restart, as libvirt does. Storage takes up to {delay_max_s:g} s (drawn from the seed) to be initialized,
and as long again to start its pools."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what may be asked."""
    parser.add_argument("--trials", type=count(), default=TRIALS, metavar="N", help="of each (default %(default)s)")
    parser.add_argument("--seed", type=int, metavar="N", help="what the delays grow from (default: made up, and printed)")
    parser.add_argument("--drivers", choices=(*race.DRIVERS, "both"), default="both", help="whose habits (default %(default)s)")
    parser.add_argument(
        "--delay-max", type=float, default=race.DELAY_MAX_S, metavar="S", help="how late storage may be (default %(default)s)"
    )
    parser.add_argument("--format", choices=("plain", "json"), default="plain")


def run(arguments: argparse.Namespace) -> int:
    """Race, and print the shares. The exit code is the verdict on tiers: 0 if no guest was lost with them."""
    seed = secrets.randbits(32) if arguments.seed is None else arguments.seed
    drivers = tuple(race.DRIVERS) if arguments.drivers == "both" else (arguments.drivers,)
    plain = arguments.format == "plain"
    trials: list[Trial] = []
    total = arguments.trials * len(race.MODES) * len(drivers)
    with private_folder() as folder, progress(total, quiet=not plain) as advance:
        for trial in race.race(folder, arguments.trials, seed, drivers, arguments.delay_max):
            trials.append(trial)
            advance(trials)
    if plain:
        print("\n".join(["", *race_figures.lines_of(trials), READING.format(delay_max_s=arguments.delay_max)]))
        print(f"seed {seed}; {sum(trial.took_s for trial in trials) / len(trials):.1f} s per trial")
    else:
        print(json.dumps(race_figures.value_of(trials, seed), indent=1))
    return int(any(trial.lost for trial in trials if trial.mode == race.TIERS))


@contextmanager
def progress(total: int, *, quiet: bool) -> Iterator[Callable[[list[Trial]], None]]:
    """Yield what is told of each trial: a bar on a terminal with rich, a line now and then elsewhere."""

    def said(trials: list[Trial]) -> str:
        lost = {mode: sum(trial.lost for trial in trials if trial.mode == mode) for mode in race.MODES}
        return ", ".join(f"{mode}: {count} lost" for mode, count in lost.items())

    if quiet:
        yield lambda _trials: None
        return
    if sys.stdout.isatty():
        try:
            from rich.progress import Progress  # noqa: PLC0415  # 60 ms, for terminals only
        except ImportError:
            pass
        else:
            with Progress() as bar:
                task = bar.add_task("racing", total=total)
                yield lambda trials: bar.update(task, completed=len(trials), description=said(trials))
            return

    def tell(trials: list[Trial]) -> None:
        if len(trials) % TELL_EVERY == 0:
            print(f"{len(trials):4} of {total} trials; {said(trials)}", flush=True)

    yield tell
