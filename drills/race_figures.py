"""What the trials of a race come to: shares with their intervals, flat against tiers, and when guests were started. Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.statistics import compare_shares, describe, share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierhost.drills.race import Trial
    from tierhost.drills.statistics import Distribution, Share

COLUMNS: Final = (
    *("drivers", "loading", "trials that lost a guest", "95 % interval", "not started at boot", "never started"),
    *("killed at restart", "starts after, s: p50 p95 max"),
)


def groups_of(trials: Sequence[Trial]) -> dict[tuple[str, str], list[Trial]]:
    """Sort trials by kind of drivers and way of loading."""
    groups: dict[tuple[str, str], list[Trial]] = {}
    for trial in trials:
        groups.setdefault((trial.drivers, trial.mode), []).append(trial)
    return groups


def lost_share(trials: Sequence[Trial]) -> Share:
    """In how many of them a guest was lost."""
    return share(sum(trial.lost for trial in trials), len(trials))


def figures(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """Return one row per kind of drivers and way of loading."""
    return [_row(drivers, mode, group) for (drivers, mode), group in groups_of(trials).items()]


def _row(drivers: str, mode: str, group: list[Trial]) -> dict[str, Any]:
    starts = describe([start for trial in group for start in trial.starts_s])
    return {
        "drivers": drivers,
        "loading": mode,
        "lost": asdict(lost_share(group)),
        "guests": sum(trial.guests for trial in group),
        "not_started": sum(len(trial.not_started) for trial in group),
        "never_started": sum(len(trial.never_started) for trial in group),
        "killed": sum(len(trial.killed) for trial in group),
        "starts_s": _values(starts),
    }


def lines_of(trials: Sequence[Trial]) -> list[str]:
    """Lay them out as a table, with a line for how likely each difference is by chance alone."""
    groups = groups_of(trials)
    table = [list(COLUMNS)]
    for (drivers, mode), group in groups.items():
        lost = lost_share(group)
        guests = sum(trial.guests for trial in group)
        counts = [sum(map(len, each)) for each in zip(*((t.not_started, t.never_started, t.killed) for t in group), strict=True)]
        starts = describe([start for trial in group for start in trial.starts_s])
        cells = [f"{lost.k} of {lost.n} ({lost.k / lost.n:.0%})", f"{lost.low:.1%} to {lost.high:.1%}"]
        table.append([drivers, mode, *cells, *(f"{count} of {guests}" for count in counts), _shown(starts)])
    widths = [max(len(line[column]) for line in table) for column in range(len(COLUMNS))]
    table.insert(1, ["-" * width for width in widths])
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table]
    for drivers in dict.fromkeys(drivers for drivers, _ in groups):
        shares = [lost_share(group) for (kind, _), group in groups.items() if kind == drivers]
        if len(shares) > 1:
            lines.append(f"{drivers}: a difference like this by chance alone: p = {compare_shares(*shares).p_value:.2g}")
    return lines


def _values(starts: Distribution | None) -> dict[str, float] | None:
    """Leave out the intervals: few values have infinite ones, and JSON has no such number."""
    if starts is None:
        return None
    parts = {"p50": starts.p50.value, "p95": starts.p95.value, "p99": starts.p99.value}
    return {"n": starts.n, **parts, "smallest": starts.smallest, "largest": starts.largest}


def _shown(starts: Distribution | None) -> str:
    return "none" if starts is None else f"{starts.p50.value:.2f} {starts.p95.value:.2f} {starts.largest:.2f}"


def value_of(trials: Sequence[Trial], seed: int) -> dict[str, Any]:
    """Put a race into JSON's terms."""
    return {"summary": figures(trials), "seed": seed, "rows": [asdict(trial) for trial in trials]}
