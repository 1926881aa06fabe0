"""`tierhost drill damage`: damage every state file in every way, and see that nothing is lost that need not be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.counts import count
from tierhost.drills.exercises import found
from tierhost.drills.kill_points.damage_trials import DamageTrials
from tierhost.drills.kill_points.damaging import DAMAGES, judge
from tierhost.drills.kill_points.exercised import PRIVILEGED, site_of
from tierhost.drills.kill_points.operation import DRIVERS
from tierhost.drills.kill_points.site import Site
from tierhost.drills.kill_points.table import NoOperation
from tierhost.drills.verdicts import Verdict, worst

if TYPE_CHECKING:
    import argparse

    from tierhost.drills.exercises import Exercises
    from tierhost.drills.kill_points.damage_trials import Target

EXIT_OK: Final = 0
EXIT_NOT_HELD: Final = 1
SUMMARY: Final = "damage every state file in seven ways, one by one and both of each pair, and judge"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("drivers", nargs="*", metavar="DRIVER", help="whose files (default: of all that have exercises)")
    parser.add_argument("--sample", type=count(0), default=0, metavar="N", help="only about so many, evenly spread")
    parser.add_argument("--format", choices=("table", "json"), default="table")


def sweep(drivers: tuple[str, ...], sample: int = 0) -> list[dict[str, Any]]:
    """Damage, look and judge; return one row for each. Raises TierhostError if a site itself does not work."""
    known = found()
    for driver in drivers:
        if driver not in known:
            raise NoOperation(f"no driver {driver!r} has exercises", hint=f"one of {', '.join(known)}")
    sites: dict[tuple[str, ...], list[str]] = {}
    for driver in drivers or known:
        sites.setdefault(drivers_of(known[driver]), []).append(driver)
    return [row for site, wanted in sites.items() for row in _sweep(site, wanted, -(-sample // len(sites)))]


def drivers_of(exercises: Exercises) -> tuple[str, ...]:
    """Who is there: one more than the driver itself, whose files are taken for its own."""
    some = site_of(exercises)
    return some if len(some) > 1 else (DRIVERS[0], *some)


def _sweep(drivers: tuple[str, ...], wanted: list[str], sample: int) -> list[dict[str, Any]]:
    netns = PRIVILEGED and any(found()[driver].netns for driver in wanted)
    with Site.make(drivers, netns=netns) as site:
        trials = DamageTrials(site)
        trials.set_up()
        targets = [target for target in trials.targets() if target.driver in wanted]
        step = max(1, len(targets) // sample) if sample else 1
        # Not always the same damage: they follow each other.
        step += step > 1 and step % len(DAMAGES) == 0
        rows = [_row(trials, target) for target in targets[::step]]
        for driver in trials.drivers:
            trials.put_back(driver)
    return rows


def _row(trials: DamageTrials, target: Target) -> dict[str, Any]:
    seen = trials.run(target)
    findings = judge(seen)
    bad = [f"{found.checker}: {found.text} {'; '.join(found.evidence)}" for found in findings if found.verdict]
    return {
        "driver": target.driver,
        "files": list(target.files),
        "damage": target.damage,
        "verdict": worst(findings).name,
        "told": list(seen.told),
        "events": list(seen.events),
        "text": "; ".join(bad)[:2000],
    }


def run(arguments: argparse.Namespace) -> int:
    """Sweep and print; 0 if all held."""
    rows = sweep(tuple(arguments.drivers), arguments.sample)
    counts = {verdict.name.lower(): sum(row["verdict"] == verdict.name for row in rows) for verdict in Verdict}
    if arguments.format == "json":
        print(json.dumps({"summary": {"tried": len(rows), **counts}, "damages": rows}, indent=1))
    else:
        for row in rows:
            print(f"{row['verdict']:8} {row['driver']:8} {row['damage']:13} {' + '.join(row['files'])}")
            if row["verdict"] != "HELD":
                print(f"         {row['text']}")
        print(f"{len(rows)} damages: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    return EXIT_OK if rows and counts["held"] == len(rows) else EXIT_NOT_HELD
