"""rebuilds every disk that a power cut may leave of a driver's work, starts on each and judges; exit code 0, 1 or 3."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.cli import EXIT_OF
from tierhost.drills.power_cut import subjects
from tierhost.drills.power_cut.operations import without_syncs
from tierhost.drills.power_cut.recording import Recording
from tierhost.drills.power_cut.trying import Count, bench
from tierhost.drills.verdicts import Verdict

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

NUMBERS: Final = ("operations", "cuts", "steps", "states", "disks", "recoveries", "again", "lost", "torn")
SAMPLE: Final = 6
SUMMED: Final = ("states", "disks", "recoveries", "again", "lost", "torn")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"who: {', '.join(subjects.NAMES)} (default: all)")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take only each N-th cut (default: all)")
    parser.add_argument("--steps", type=int, metavar="N", help="take only the first N changes (default: all)")
    about = f"cut N of the restarts, chosen by the seed, in their turn (default: {SAMPLE}; 0: none)"
    parser.add_argument("--sample", type=int, default=SAMPLE, metavar="N", help=about)
    parser.add_argument("--seed", type=int, default=1, help="of the choices that are made by chance (default: 1)")
    parser.add_argument("--without-syncs", action="store_true", help="judge the same work as if it never synced: must fail")
    parser.add_argument("--format", choices=("text", "json"), default="text")


def run(arguments: argparse.Namespace) -> int:
    """Run it. What is given out is the verdict: BROKEN if something was lost or torn anywhere."""
    if arguments.every < 1:
        raise subjects.NoSubject("--every takes 1 or more", hint="1 takes every cut")
    if arguments.steps is not None and arguments.steps < 0:
        raise subjects.NoSubject("--steps takes 0 or more", hint="0 is the first start alone")
    if arguments.sample < 0:
        raise subjects.NoSubject("--sample takes 0 or more", hint="0 cuts no restart a second time")
    chosen = [subjects.subject(name) for name in arguments.subjects or subjects.NAMES]
    rows: list[dict[str, Any]] = []
    for subject in chosen:
        began_s = time.monotonic()
        with bench(subject) as place:
            recording = place.record(arguments.steps)
            if arguments.without_syncs:
                recording = Recording(recording.begin, without_syncs(recording.operations))
            count = place.try_all(recording, seed=arguments.seed, every=arguments.every, again=arguments.sample)
        rows.append(count.told() | {"seconds": round(time.monotonic() - began_s, 1)})
        if arguments.format == "text":
            say(subject.title, count)
    summary = _summary(rows, arguments)
    if arguments.format == "json":
        print(json.dumps({"summary": summary, "subjects": rows}, indent=2))
    else:
        _table(rows)
    return EXIT_OF[Verdict[summary["verdict"]]]


def say(title: str, count: Count) -> None:
    """Tell what went wrong with one subject."""
    print(f"{count.subject}: {title}", flush=True)
    for one in count.found:
        print(f"  after {one.crash.cut} operations ({one.allowed.title}), kept: {one.crash.kept}")
        for line in (*one.wrong.lost, *one.wrong.torn):
            print(f"    {line}")


def _summary(rows: Iterable[dict[str, Any]], arguments: argparse.Namespace) -> dict[str, Any]:
    sums: dict[str, Any] = {name: sum(row[name] for row in rows) for name in SUMMED}
    verdict = "BROKEN" if sums["lost"] or sums["torn"] else "HELD" if sums["states"] else "UNKNOWN"
    return sums | {"verdict": verdict, "seed": arguments.seed, "every": arguments.every}


def _table(rows: list[dict[str, Any]]) -> None:
    table = [("subject", *NUMBERS), *((row["subject"], *(str(row[name]) for name in NUMBERS)) for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    lost, torn = (sum(row[name] for row in rows) for name in ("lost", "torn"))
    states = sum(row["states"] + row["again"] for row in rows)
    print(f"{states} states tried, {lost} lost something that was acknowledged, {torn} were torn")
