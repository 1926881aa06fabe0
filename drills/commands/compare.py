"""five faults on Debian's libvirtd and on us, side by side: who was wronged, n of n."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.counts import count
from tierhost.drills.libvirt_faults import table
from tierhost.drills.telling import telling
from tierhost.drills.verdicts import Verdict, worst

if TYPE_CHECKING:
    import argparse

    from tierhost.drills.libvirt_faults.seen import Seen

TRIALS: Final = 10
EXIT_OF: Final = {Verdict.HELD: 0, Verdict.BROKEN: 1, Verdict.UNKNOWN: 3}
OURS: Final = "tierhost"


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what may be asked."""
    parser.add_argument("names", nargs="*", metavar="FAULT", help=f"which (default: all): {', '.join(table.FAULTS)}")
    parser.add_argument(
        "--trials",
        type=count(),
        default=TRIALS,
        metavar="N",
        help="objects or crashes of each (default %(default)s)",
    )
    parser.add_argument("--evidence", action="store_true", help="print what each verdict rests on")
    parser.add_argument("--format", choices=("plain", "json"), default="plain")


def run(arguments: argparse.Namespace) -> int:
    """Compare, and print one table. The exit code is the verdict on us: 0 HELD, 1 BROKEN, 3 UNKNOWN."""
    plain = arguments.format == "plain"
    with telling(quiet=not plain) as tell:
        found = table.compare(arguments.names, arguments.trials, tell)
    if plain:
        for line in lines_of(found, evidence=arguments.evidence):
            print(line)
    else:
        print(json.dumps(value_of(found), indent=1))
    return EXIT_OF[worst(by_side[OURS].finding() for by_side in found.values())]


def lines_of(found: dict[str, dict[str, Seen]], *, evidence: bool) -> list[str]:
    """Lay the table out: the fault, and what was seen of it on each side."""
    sides = list(next(iter(found.values())))
    names = [next(by_side[side].side for by_side in found.values()) for side in sides]
    rows = [["fault", *names]]
    for name, by_side in found.items():
        cells = [f"{by_side[side].verdict.name:7}  {by_side[side].cell}" for side in sides]
        rows.append([f"{name}: {table.FAULTS[name].title}", *cells])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rows.insert(1, ["-" * width for width in widths])
    lines = ["", *("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)]
    if evidence:
        for name, by_side in found.items():
            for seen in by_side.values():
                lines += ["", f"{name} on {seen.side}:", *(f"  {line}" for line in seen.evidence)]
    return lines


def value_of(found: dict[str, dict[str, Seen]]) -> dict[str, Any]:
    """Put it into JSON's terms: a summary by fault and side, then everything that was seen."""
    rows = [
        {"name": name, "target": side, "verdict": seen.verdict.name, **asdict(seen)}
        for name, by_side in found.items()
        for side, seen in by_side.items()
    ]
    summary = {
        name: {side: f"{seen.wronged} of {seen.count}" for side, seen in by_side.items()} for name, by_side in found.items()
    }
    return {"summary": summary, "rows": rows}
