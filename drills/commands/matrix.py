"""driver x operation x fault: who suffers when one worker is hit while it is called, measured."""

from __future__ import annotations

import itertools
import json
import random
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.counts import count
from tierhost.drills.matrix import FAULTS, WORDS, table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from tierhost.drills.kill_points.operation import Operation
    from tierhost.drills.matrix import Cell

EXIT_OK: Final = 0
EXIT_BROKEN: Final = 1
EXIT_UNKNOWN: Final = 3


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what may be asked."""
    parser.add_argument("operations", nargs="*", metavar="OPERATION", help='"qemu.domain_create", ... (default: all there are)')
    parser.add_argument("--drivers", default="", metavar="A,B", help="whose workers are hit (default: every driver's)")
    parser.add_argument("--faults", default=",".join(FAULTS), metavar="A,B", help="what hits them (default %(default)s)")
    parser.add_argument("--sample", type=count(0), default=0, metavar="N", help="only so many cells, spread by the seed")
    parser.add_argument(
        "--seed", type=int, default=1, metavar="N", help="instants and damages grow from it (default %(default)s)"
    )
    parser.add_argument("--format", choices=("table", "json"), default="table")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print; 0 if no call hung and none was answered wrongly, 1 if one did, 3 if a cell is unknown."""
    from tierhost.drills.exercises import found  # noqa: PLC0415  # `tierhost drill --help` needs none of it

    drivers, faults = arguments.drivers.split(",") if arguments.drivers else [*found()], arguments.faults.split(",")
    for word, known in [*((driver, [*found()]) for driver in drivers), *((fault, FAULTS) for fault in faults)]:
        if word not in known:
            sys.stderr.write(f"error: {word!r} is none of {', '.join(known)}\n")
            return 2
    rng = random.Random(arguments.seed)  # noqa: S311  # it has to repeat
    wanted = _wanted(arguments.operations, drivers, faults)
    if arguments.sample and arguments.sample < len(wanted):
        wanted = sorted(rng.sample(wanted, arguments.sample), key=wanted.index)
    began_s = time.monotonic()
    cells = list(_measure(wanted, rng))
    _print(arguments.format, cells, time.monotonic() - began_s)
    if any(cell.fired and not cell.trouble and not cell.keeps_the_bar for cell in cells):
        return EXIT_BROKEN
    return EXIT_OK if all(cell.keeps_the_bar for cell in cells) else EXIT_UNKNOWN


def _wanted(operations: Sequence[str], drivers: Sequence[str], faults: Sequence[str]) -> list[tuple[Operation, str]]:
    from tierhost.drills.kill_points.table import OPERATIONS, named  # noqa: PLC0415  # as above

    # A verb that is had by killing the worker cannot be hit by one more death.
    chosen = [one for one in (named(operations) if operations else OPERATIONS) if one.driver in drivers and not one.own_lives]
    return [(one, fault) for one in chosen for fault in faults]


def _measure(wanted: Sequence[tuple[Operation, str]], rng: random.Random) -> Iterator[Cell]:
    from tierhost.drills.matrix_run import Matrix  # noqa: PLC0415  # as above
    from tierhost.drills.matrix_site import CALL_LIMIT_S, PlainSite, drivers_of  # noqa: PLC0415
    from tierhost.drills.onlookers import Onlookers  # noqa: PLC0415

    number = 0
    for (drivers, netns), of_site in itertools.groupby(wanted, lambda one: (drivers_of(one[0]), one[0].netns)):
        with PlainSite.make(drivers, netns=netns) as site:
            site.start()
            lives = site.lives()
            with Onlookers(site.root, site.questions(), CALL_LIMIT_S) as onlookers:
                matrix = Matrix(site, onlookers, rng)
                for operation, fault in of_site:
                    number += 1
                    row = lives[operation.driver]
                    if row["phase"] == "SKIPPED":
                        yield _nothing_there(operation, fault, str(row["last_error"]))
                        continue
                    cell = matrix.cell(operation, fault)
                    if sys.stderr.isatty():
                        sys.stderr.write(f"\r\033[K{number} of {len(wanted)}: {operation.name} x {fault}: {WORDS[cell.worst]}")
                    yield cell
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")


def _nothing_there(operation: Operation, fault: str, why: str) -> Cell:
    from tierhost.drills.matrix import Cell  # noqa: PLC0415  # a name for the checkers, until here

    return Cell(operation.driver, operation.name, fault, fired=False, proof=f"{operation.driver} has nothing to drive: {why}")


def _print(shape: str, cells: Sequence[Cell], took_s: float) -> None:
    if shape == "table":
        print("\n".join(table(cells, took_s)))
        return
    from tierhost.drills.matrix import summary  # noqa: PLC0415  # only here

    print(json.dumps({"summary": summary(cells, took_s), "cells": [_row(cell) for cell in cells]}, indent=1))


def _row(cell: Cell) -> dict[str, Any]:
    onlookers = [{**asdict(one), "worst": WORDS[one.worst]} for one in cell.onlookers]
    row = {**asdict(cell), "ending": WORDS[cell.ending], "worst": WORDS[cell.worst], "suffered": cell.suffered}
    return {**row, "onlookers": onlookers}
