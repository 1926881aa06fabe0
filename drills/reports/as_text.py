"""The figures of a report as lines of text: distributions and shares with their intervals, and two sets beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tierhost.drills.reports.curves import duration
from tierhost.drills.reports.figures import counts_of, series_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierhost.drills.reports.figures import Count, Series
    from tierhost.drills.reports.results import Run
    from tierhost.drills.statistics import Comparison, Distribution, Estimate

THIS: Final = "these runs"


def figures(run: Run) -> Iterator[str]:
    """Yield every distribution and every share that is worth a line."""
    for series in series_of(run):
        yield from _of_series(series)
    for count in counts_of(run):
        yield from _of_count(count)


def _of_series(series: Series) -> Iterator[str]:
    yield series.title
    width = max(len(THIS), len(series.beside_name))
    yield f"  {THIS:{width}}  {_described(series.told)}"
    if series.beside_told is not None:
        yield f"  {series.beside_name:{width}}  {_described(series.beside_told)}"
    if series.compared is not None:
        middle = series.compared.difference
        later = f"{duration(middle.value)} ({duration(middle.low)} to {duration(middle.high)})"
        yield f"  p50 of {series.beside_name} minus that of {THIS}: {later}, {_worth(series.compared)}"


def _of_count(count: Count) -> Iterator[str]:
    yield f"{count.title}: {count.told}"
    if count.beside is not None:
        worth = f"; {_worth(count.compared)}" if count.compared is not None else ""
        yield f"  {count.beside_name}: {count.beside}{worth}"


def _described(told: Distribution) -> str:
    parts = (f"{name} {_figure(each)}" for name, each in (("p50", told.p50), ("p95", told.p95), ("p99", told.p99)))
    never = f"  {told.never} never" if told.never else ""
    return f"n {told.n}  {'  '.join(parts)}{never}"


def _figure(estimate: Estimate) -> str:
    return f"{duration(estimate.value)} ({duration(estimate.low)} to {duration(estimate.high)})"


def _worth(compared: Comparison) -> str:
    word = "they differ" if compared.differs else "no more than chance allows"
    return f"p = {compared.p_value:.2g}: {word}"
