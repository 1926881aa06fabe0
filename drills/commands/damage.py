"""`tierhost drill damage`: damage every state file in every way, and see that nothing is lost that need not be."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.counts import count
from tierhost.drills.kill_points.damage_trials import DRIVERS, DamageTrials
from tierhost.drills.kill_points.damaging import judge
from tierhost.drills.kill_points.site import Site
from tierhost.drills.verdicts import Verdict, worst

if TYPE_CHECKING:
    import argparse

EXIT_OK: Final = 0
EXIT_NOT_HELD: Final = 1
SUMMARY: Final = "damage every state file in seven ways, one by one and both of each pair, and judge"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("drivers", nargs="*", metavar="DRIVER", help=f"whose files (default: {', '.join(DRIVERS)})")
    parser.add_argument("--sample", type=count(0), default=0, metavar="N", help="only about so many, evenly spread")
    parser.add_argument("--format", choices=("table", "json"), default="table")


def sweep(drivers: tuple[str, ...], sample: int = 0) -> list[dict[str, Any]]:
    """Damage, look and judge; return one row for each. Raises TierhostError if the site itself does not work."""
    rows = []
    with Site.make() as site:
        trials = DamageTrials(site, with_guests=shutil.which("qemu-system-x86_64") is not None)
        trials.set_up()
        targets = [target for target in trials.targets() if not drivers or target.driver in drivers]
        step = max(1, len(targets) // sample) if sample else 1
        for target in targets[::step]:
            seen = trials.run(target)
            findings = judge(seen)
            bad = [f"{found.checker}: {found.text} {'; '.join(found.evidence)}" for found in findings if found.verdict]
            rows.append(
                {
                    "driver": target.driver,
                    "files": list(target.files),
                    "damage": target.damage,
                    "verdict": worst(findings).name,
                    "told": list(seen.told),
                    "events": list(seen.events),
                    "text": "; ".join(bad)[:2000],
                }
            )
        for driver in trials.drivers:
            trials.put_back(driver)
    return rows


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
