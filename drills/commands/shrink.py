"""finds the smallest schedule that still fails as a stored run did, and writes it beside that."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tierhost.drills import stored
from tierhost.drills.again import Shrinking, broken_in
from tierhost.drills.counts import count
from tierhost.drills.faults import BadPlan
from tierhost.drills.points import text_of
from tierhost.drills.telling import telling
from tierhost.drills.trial import trial

if TYPE_CHECKING:
    import argparse

    from tierhost.drills.plan import Drill
    from tierhost.drills.stored import Stored

SETTLE_S: Final = 5.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what may be asked."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a run that was BROKEN, written by `tierhost drill run --report`")
    parser.add_argument("--limit", type=float, default=60.0, metavar="S", help="seconds to search (default %(default)s)")
    parser.add_argument(
        "--tries", type=count(), default=1, metavar="N", help="runs until a part counts as not failing (default 1)"
    )
    parser.add_argument("--target", metavar="NAME", help="another target than that of the stored run")


def run(arguments: argparse.Namespace) -> int:
    """Search, print what is left, and write its run. Returns 0 if something still fails."""
    old = stored.read(arguments.file)
    broken = broken_in(old)
    if not broken:
        raise BadPlan(f"{arguments.file} is {old.verdict.name}: there is no failure to shrink")
    target = arguments.target or old.history.target

    def once(drill: Drill) -> Stored:
        # What fails is found out by waiting in vain: half a minute for each try would be the whole search.
        drill = replace(drill, options={"settle_s": SETTLE_S, **drill.options})
        return trial(drill, old.history.seed, target, lambda _text: None)

    with telling(quiet=False) as tell:
        search = Shrinking(old.drill, broken, once, arguments.tries, time.monotonic() + arguments.limit, tell)
        small = search.smallest()
    counted = f"{len(old.drill.faults)} faults and {len(old.drill.asks)} calls"
    print(f"{old.drill.name}: {counted} became {len(small.faults)} and {len(small.asks)}, after {search.runs} runs")
    if search.cut_short:
        print("  cut short: a longer --limit may find a smaller one")
    for fault in small.faults:
        print(f"  {fault.kind} of {fault.target} at {text_of(fault.point)}")
    for ask in small.asks:
        print(f"  call {ask.method}")
    if search.last:
        path = arguments.file.with_name(f"{arguments.file.stem}-small.json")
        stored.write(path, search.last[-1])
        print(f"  written to {path}")
    return 0
