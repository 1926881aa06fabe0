"""What the trials of a race come to: shares with their intervals, and when guests were started. Pure."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tierhost.drills.race import Trial

CONFIDENCE: Final = 0.95
HALVINGS: Final = 60
COLUMNS: Final = (
    *("drivers", "loading", "trials that lost a guest", "95 % interval", "not started at boot", "never started"),
    *("killed at restart", "starts after, s: p50 p95 max"),
)


def clopper_pearson(hits: int, count: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the exact interval of a share: what could show `hits` or less, or `hits` or more, in `count` with that chance."""
    if count == 0:
        return 0.0, 1.0
    tail = (1.0 - confidence) / 2
    low = 0.0 if hits == 0 else _solve(lambda share: 1.0 - _at_most(hits - 1, count, share) - tail)
    high = 1.0 if hits == count else _solve(lambda share: tail - _at_most(hits, count, share))
    return low, high


def _at_most(hits: int, count: int, share: float) -> float:
    return math.fsum(math.comb(count, k) * share**k * (1.0 - share) ** (count - k) for k in range(hits + 1))


def _solve(rising: Callable[[float], float]) -> float:
    """Return where a function that rises from below 0 to above 0 between 0 and 1 is 0."""
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2


def quantile(sorted_values: Sequence[float], share: float) -> float:
    """Return the smallest value that so large a share of all do not exceed; not a number if there are none."""
    if not sorted_values:
        return math.nan
    return sorted_values[max(0, math.ceil(share * len(sorted_values)) - 1)]


def figures(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """Return one row per kind of drivers and way of loading."""
    groups: dict[tuple[str, str], list[Trial]] = {}
    for trial in trials:
        groups.setdefault((trial.drivers, trial.mode), []).append(trial)
    return [_row(drivers, mode, group) for (drivers, mode), group in groups.items()]


def _row(drivers: str, mode: str, group: list[Trial]) -> dict[str, Any]:
    lost = sum(trial.lost for trial in group)
    low, high = clopper_pearson(lost, len(group))
    starts = sorted(start for trial in group for start in trial.starts_s)
    guests = sum(trial.guests for trial in group)
    return {
        "drivers": drivers,
        "loading": mode,
        "trials": len(group),
        "lost": lost,
        "share": lost / len(group),
        "interval": [low, high],
        "guests": guests,
        "not_started": sum(len(trial.not_started) for trial in group),
        "never_started": sum(len(trial.never_started) for trial in group),
        "ran": guests,
        "killed": sum(len(trial.killed) for trial in group),
        "starts_s": {
            "n": len(starts),
            **{f"p{q}": quantile(starts, q / 100) for q in (5, 50, 95, 99)},
            "max": quantile(starts, 1),
        },
    }


def lines_of(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Lay them out as a table."""
    table = [list(COLUMNS)]
    for row in rows:
        low, high = row["interval"]
        starts = row["starts_s"]
        table.append(
            [
                row["drivers"],
                row["loading"],
                f"{row['lost']} of {row['trials']} ({row['share']:.0%})",
                f"{low:.1%} to {high:.1%}",
                f"{row['not_started']} of {row['guests']}",
                f"{row['never_started']} of {row['guests']}",
                f"{row['killed']} of {row['ran']}",
                f"{starts['p50']:.2f} {starts['p95']:.2f} {starts['max']:.2f}",
            ]
        )
    widths = [max(len(line[column]) for line in table) for column in range(len(COLUMNS))]
    table.insert(1, ["-" * width for width in widths])
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table]


def value_of(trials: Sequence[Trial], seed: int) -> dict[str, Any]:
    """Put a race into JSON's terms."""
    return {"summary": figures(trials), "seed": seed, "rows": [asdict(trial) for trial in trials]}
