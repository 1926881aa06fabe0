"""What a sweep comes to: found, fired, held, broken, unknown, unreached, by driver and operation. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tierhost.drills.kill_points.ledger import Judged

KEYS: Final = ("found", "fired", "held", "broken", "unknown", "unreached")
"""`fired` is held + broken, and those that fired and about which nobody knows; `unreached` was tried and did not fire."""


def count(found: Mapping[str, Iterable[str]], rows: Iterable[Judged], drivers: Mapping[str, str]) -> dict[str, Any]:
    """Count by operation and driver. `found` is the points of each operation, `drivers` whose worker dies in it."""
    by_operation: dict[str, Counter[str]] = {name: Counter(found=len(list(points))) for name, points in found.items()}
    for row in rows:
        if row.operation not in by_operation:
            continue
        counts = by_operation[row.operation]
        counts["fired"] += row.fired
        counts["unreached"] += not row.fired
        if row.fired:
            counts[row.verdict.lower()] += 1
    by_driver: dict[str, Counter[str]] = {}
    for name, counts in by_operation.items():
        by_driver.setdefault(drivers[name], Counter()).update(counts)
    whole: Counter[str] = Counter()
    for counts in by_driver.values():
        whole.update(counts)
    return {
        **_plain(whole),
        "drivers": {name: _plain(counts) for name, counts in by_driver.items()},
        "operations": {name: _plain(counts) for name, counts in by_operation.items()},
    }


def _plain(counts: Counter[str]) -> dict[str, int]:
    return {key: counts[key] for key in KEYS}


def all_held(summary: Mapping[str, Any]) -> bool:
    """Whether every point that was found fired and held."""
    return bool(summary["found"] and summary["found"] == summary["fired"] == summary["held"])


def table(summary: Mapping[str, Any]) -> list[str]:
    """Put it in lines, the whole last."""
    rows: list[tuple[str, ...]] = [("operation", *KEYS)]
    rows += [_row(name, counts) for name, counts in summary["operations"].items()]
    rows += [_row(name, counts) for name, counts in summary["drivers"].items()]
    rows.append(_row("all", summary))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells))
    return lines


def _row(name: str, counts: Mapping[str, Any]) -> tuple[str, ...]:
    return (name, *(str(counts[key]) for key in KEYS))
