"""`python -m tests.mutants [NAME ...] [--controls N] [--shard I/N]`: plant each bug, run its drills, print which were caught."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Final

from tests.mutants.table import PROJECT, Mutant, copy_product, mutants

OUTPUT: Final = PROJECT / "build" / "mutants.json"
DRILL_LIMIT_S: Final = 300.0
HELD, BROKEN, UNKNOWN = 0, 1, 3
CAUGHT_SHARE_MIN: Final = 0.95
CONTROL: Final = "run nothing-happens"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one planted bug. `how`: "BROKEN"; "no verdict", which is an alarm and no catch; or ""."""

    name: str
    by: str
    how: str
    seconds: float


def run(drill: str, folder: Path) -> int:
    """Run one drill of the product in this folder; return its exit code (UNKNOWN when it does not end)."""
    argv = [sys.executable, "-m", "tierhost.drills", *drill.split()]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    process = subprocess.Popen(
        argv, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        return process.wait(DRILL_LIMIT_S)
    except subprocess.TimeoutExpired:
        # Its leash clears away what it leaves.
        process.kill()
        process.wait()
        return UNKNOWN


def judged(mutant: Mutant) -> Outcome:
    """Plant a bug and run its drills until one sees it."""
    began_s = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="tm", dir="/tmp"))
    try:
        copy_product(folder, mutant)
        for drill in mutant.by:
            code = run(drill, folder)
            if code != HELD and holds(drill):
                how = "BROKEN" if code == BROKEN else "no verdict"
                return Outcome(mutant.name, drill, how, time.monotonic() - began_s)
        return Outcome(mutant.name, "", "", time.monotonic() - began_s)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@cache
def holds(drill: str) -> bool:
    """Whether a drill holds on the product as it is: what it says against a bug counts only then, and a mistyped one never."""
    folder = Path(tempfile.mkdtemp(prefix="tm", dir="/tmp"))
    try:
        code = run(drill, copy_product(folder))
        if code != HELD:
            print(f"  `{drill}` does not hold without a bug either: exit code {code}", flush=True)
        return code == HELD
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def alarms(controls: int, first: int) -> list[str]:
    """Run the drill in which nothing is broken, on the product as it is, that often; return what it said against it."""
    folder = Path(tempfile.mkdtemp(prefix="tm", dir="/tmp"))
    try:
        copy_product(folder)
        found = []
        for seed in range(first, first + controls):
            code = run(f"{CONTROL} --seed {seed}", folder)
            if code != HELD:
                found.append(f"seed {seed}: exit code {code}")
                print(f"  alarm without a fault: {found[-1]}", flush=True)
        return found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Run it; 0 when enough were caught and nobody was accused without a fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--controls", type=int, default=200, help="runs without a fault (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the first of them (default: %(default)s)")
    parser.add_argument("--shard", default="1/1", metavar="I/N", help="only this part of the bugs")
    words = parser.parse_args()
    part, parts = (int(number) for number in words.shard.split("/"))
    wanted = [mutant for mutant in mutants() if not words.names or mutant.name in words.names][part - 1 :: parts]
    outcomes = []
    for mutant in wanted:
        outcome = judged(mutant)
        outcomes.append(outcome)
        print(
            f"{outcome.how or 'MISSED':<10}  {outcome.name:<34} {outcome.seconds:6.1f} s  {outcome.by or mutant.why}", flush=True
        )
    missed = [outcome.name for outcome in outcomes if outcome.how != "BROKEN"]
    accused = alarms(words.controls, words.seed)
    caught = len(outcomes) - len(missed)
    print(f"{caught} of {len(outcomes)} planted bugs caught; {len(accused)} alarms in {words.controls} runs without a fault")
    if missed:
        print(f"missed: {', '.join(missed)}")
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps({"outcomes": [asdict(one) for one in outcomes], "alarms": accused, "controls": words.controls}))
    return 0 if caught >= CAUGHT_SHARE_MIN * len(outcomes) and not accused else 1


if __name__ == "__main__":
    sys.exit(main())
