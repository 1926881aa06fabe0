"""A report as one JSON value, in the terms of `report_schema`: for programs, and for `tierhost drill replay`."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, is_dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

from tierhost import __version__
from tierhost.drills.reports.blast import matrix
from tierhost.drills.reports.figures import counts_of, series_of
from tierhost.drills.reports.report_schema import FORMAT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tierhost.drills.reports.results import Run, Trial

LINES_MAX: Final = 20_000
"""So many calls and so many journal lines of one run are kept; how many were left out is said."""

Plain = dict[str, Any]


def render(run: Run) -> str:
    """The file's text."""
    return json.dumps(value(run), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def value(run: Run) -> Plain:
    """The whole report."""
    table = matrix(run.trials)
    cells = [
        {"operation": operation, "fault": fault, "effect": cell.word, **plain(cell)}
        for operation in table.operations
        for fault in table.faults
        if (cell := table.cell(operation, fault)).calls
    ]
    return {
        "format": FORMAT,
        "tierhost": __version__,
        "verdict": run.verdict.name,
        "command": run.command,
        "drill": plain(run.drill),
        "notes": list(run.notes),
        "trials": [_trial(trial) for trial in run.trials],
        "control": [_trial(trial, whole=False) for trial in run.control],
        "other": {"name": run.other_name, "trials": [_trial(trial, whole=False) for trial in run.other]},
        "matrix": cells,
        "distributions": [_without_values(plain(series)) for series in series_of(run)],
        "shares": [plain(count) for count in counts_of(run)],
    }


def _trial(trial: Trial, *, whole: bool = True) -> Plain:
    history = trial.history
    told: Plain = {
        "seed": history.seed,
        "target": history.target,
        "took_s": history.ended_s - history.began_s,
        "verdict": trial.verdict.name,
        "findings": [plain(finding) for finding in trial.findings],
        "strikes": [plain(strike) for strike in history.strikes],
        "calls": len(history.calls),
    }
    if whole:
        kept = plain(history)
        left_out = {name: max(0, len(kept[name]) - LINES_MAX) for name in ("calls", "journal")}
        kept.update({name: kept[name][:LINES_MAX] for name in left_out})
        told |= {"history": kept, "left_out": left_out}
    return told


def _without_values(series: Plain) -> Plain:
    return {name: each for name, each in series.items() if name not in {"values", "beside"}}


def plain(thing: Any) -> Any:
    """Put a value of ours into JSON's terms. What is infinite (nobody knows an end) becomes null."""
    if isinstance(thing, IntEnum):
        return thing.name
    if isinstance(thing, float) and not math.isfinite(thing):
        return None
    if is_dataclass(thing) and not isinstance(thing, type):
        return plain(asdict(thing))
    if isinstance(thing, dict):
        return _mapping(thing)
    if isinstance(thing, list | tuple):
        return _items(thing)
    return thing if thing is None or isinstance(thing, bool | int | float | str) else str(thing)


def _mapping(thing: Mapping[Any, Any]) -> Plain:
    return {str(name): plain(each) for name, each in thing.items()}


def _items(things: Iterable[Any]) -> list[Any]:
    return [plain(each) for each in things]
