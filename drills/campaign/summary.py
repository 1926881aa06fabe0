"""What a campaign came to, from the attempts of all its shards: counted by drill, with nothing left out."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.campaign.trial import BROKEN, CUT_SHORT, HELD, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tierhost.drills.campaign.plan import Campaign, Trial
    from tierhost.drills.campaign.results import Row

SHOWN_MAX: Final = 50
CONFIDENCE: Final = 0.95


@dataclass(slots=True)
class Line:
    """One drill. `trials` = `held` + `broken` + `unknown` + `missing`; `attempts` are beginnings, `cut_short` some of them.

    `again` are trials that were begun more than once; `twice` are trials with more than one result, which must not be.
    """

    drill: str
    trials: int = 0
    held: int = 0
    broken: int = 0
    unknown: int = 0
    missing: int = 0
    attempts: int = 0
    cut_short: int = 0
    again: int = 0
    twice: int = 0
    p50_s: float = 0.0
    p95_s: float = 0.0
    broken_at_most: float = 1.0


@dataclass(slots=True)
class Summary:
    """All drills, all of them together, and each trial that did not hold."""

    title: str
    verdict: str
    total: Line
    lines: list[Line]
    not_held: list[dict[str, Any]] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        """In JSON's terms."""
        total = asdict(self.total)
        del total["drill"]
        return {
            "summary": {"title": self.title, "verdict": self.verdict, **total},
            "drills": [asdict(line) for line in self.lines],
            "not_held": self.not_held,
        }


def summarize(campaign: Campaign, trials: Sequence[Trial], rows: Iterable[Row]) -> Summary:
    """Count. A trial's result is that of its last attempt that was not cut short; without one it is missing."""
    by_trial: dict[int, list[Row]] = {}
    for row in rows:
        by_trial.setdefault(row.trial, []).append(row)
    lines = [_line(drill, [trial for trial in trials if trial.drill == drill], by_trial) for drill in campaign.drills]
    total = _line("all", trials, by_trial)
    verdict = BROKEN if total.broken else HELD if trials and total.held == total.trials and not total.twice else UNKNOWN
    summary = Summary(campaign.title, verdict, total, lines)
    for trial in trials:
        found = by_trial.get(trial.number, [])
        result = _result(found)
        if (result is None or result.verdict != HELD) and len(summary.not_held) < SHOWN_MAX:
            summary.not_held.append(_told(campaign, trial, found, result))
    return summary


def _result(rows: Sequence[Row]) -> Row | None:
    whole = [row for row in rows if row.outcome not in {"", CUT_SHORT}]
    return whole[-1] if whole else None


def _line(drill: str, trials: Sequence[Trial], by_trial: dict[int, list[Row]]) -> Line:
    line = Line(drill, trials=len(trials))
    times = []
    for trial in trials:
        rows = by_trial.get(trial.number, [])
        whole = [row for row in rows if row.outcome not in {"", CUT_SHORT}]
        line.attempts += len(rows)
        line.cut_short += sum(1 for row in rows if row.outcome == CUT_SHORT)
        line.again += len(rows) > 1
        line.twice += len(whole) > 1
        if not whole:
            line.missing += 1
            continue
        times.append(whole[-1].seconds)
        line.held += whole[-1].verdict == HELD
        line.broken += whole[-1].verdict == BROKEN
        line.unknown += whole[-1].verdict not in {HELD, BROKEN}
    line.p50_s, line.p95_s = _quantile(times, 0.5), _quantile(times, 0.95)
    line.broken_at_most = at_most(line.broken, line.held + line.broken)
    return line


def _quantile(values: list[float], share: float) -> float:
    return round(sorted(values)[max(0, math.ceil(share * len(values)) - 1)], 3) if values else 0.0


def at_most(failures: int, trials: int) -> float:
    """Return the share of failures that such a result excludes with 95 % confidence (Clopper and Pearson's upper bound)."""
    if failures >= trials:
        return 1.0
    low, high = failures / trials, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _seen_at_most(failures, trials, middle) > 1 - CONFIDENCE:
            low = middle
        else:
            high = middle
    return round(high, 4)


def _seen_at_most(failures: int, trials: int, share: float) -> float:
    """How likely so few failures are, if each trial fails with this probability."""
    return sum(math.comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(failures + 1))


def _told(campaign: Campaign, trial: Trial, rows: Sequence[Row], result: Row | None) -> dict[str, Any]:
    last = result or (rows[-1] if rows else None)
    return {
        "trial": trial.number,
        "drill": trial.drill,
        "seed": trial.seed,
        "repetition": trial.repetition,
        "verdict": result.verdict if result else UNKNOWN,
        "outcome": last.outcome or CUT_SHORT if last else "never begun",
        "attempts": len(rows),
        "command": campaign.argv(trial),
        "text": last.text.strip()[-400:] if last else "",
    }
