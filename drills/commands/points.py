"""`tierhost drill points`: find every point at which an operation can be cut off, cut it off there, and judge."""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tierhost.drills.counts import count
from tierhost.drills.kill_points import summary
from tierhost.drills.kill_points.ledger import Ledger, code_digest
from tierhost.drills.kill_points.sweep import Share, Sweep
from tierhost.drills.kill_points.table import OPERATIONS, at_system_calls, named

if TYPE_CHECKING:
    import argparse

EXIT_OK: Final = 0
EXIT_NOT_HELD: Final = 1
EXIT_USAGE: Final = 2
SUMMARY: Final = "find every kill point of an operation, run one drill for each, and judge"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("operations", nargs="*", metavar="OPERATION", help='"qemu.domain_create", "secret", ...')
    parser.add_argument("--all", action="store_true", help="every method of every driver")
    parser.add_argument("--list", action="store_true", help="print the operations, and do nothing")
    parser.add_argument("--shard", default="1/1", metavar="I/N", help="only this part of the points")
    parser.add_argument("--resume", type=Path, metavar="FILE", help="keep results there, and go on from those of the same code")
    parser.add_argument(
        "--sample", type=count(0), default=0, metavar="N", help="about so many points, spread over the operations"
    )
    parser.add_argument("--seed", type=int, default=0, help="which sample (default: 0)")
    parser.add_argument("--system-calls", action="store_true", help="cut off at system calls, by strace, instead of at lines")
    parser.add_argument("--format", choices=("table", "json"), default="table")


def run(arguments: argparse.Namespace) -> int:
    """Sweep and print; 0 if every point that was found fired and held. Raises TierhostError."""
    if arguments.list:
        for operation in OPERATIONS:
            print(operation.name)
        return EXIT_OK
    number, _, count = arguments.shard.partition("/")
    right = number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)
    if not right or arguments.all == bool(arguments.operations):
        sys.stderr.write("error: name operations or --all, and a shard as 1/4\nhint: tierhost drill points --list\n")
        return EXIT_USAGE
    operations = OPERATIONS if arguments.all else named(arguments.operations)
    if arguments.system_calls:
        operations = at_system_calls(operations)
    ledger = Ledger(arguments.resume, code_digest())
    ledger.refresh()
    # Whoever is ended in good order leaves no host behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_NOT_HELD))
    sweep = Sweep(
        ledger, operations, Share(int(number), int(count), arguments.sample, arguments.seed), _progress, arguments.system_calls
    )
    sweep.run()
    counted = summary.count(
        sweep.wanted,
        [row for row in ledger.judged.values() if row.point in sweep.wanted.get(row.operation, ())],
        {operation.name: operation.driver for operation in operations},
    )
    _print(arguments, sweep, counted)
    return EXIT_OK if summary.all_held(counted) else EXIT_NOT_HELD


def _print(arguments: argparse.Namespace, sweep: Sweep, counted: dict[str, object]) -> None:
    rate = round(sweep.tried / sweep.took_s, 1) if sweep.took_s else 0.0
    if arguments.format == "json":
        rows = [asdict(row) for row in sweep.ledger.judged.values() if row.point in sweep.wanted.get(row.operation, ())]
        whole = {**counted, "tried_now": sweep.tried, "per_second": rate, "code": sweep.ledger.digest}
        print(json.dumps({"summary": whole, "points": rows}, indent=1))
        return
    print("\n".join(summary.table(counted)))
    print(f"{sweep.tried} drills in this run, {rate} a second; code {sweep.ledger.digest}")


def _progress(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
