"""Distributions as SVG: the share of values at or below each time, on a logarithmic axis, with p50, p95 and p99."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from tierhost.drills.reports.markup import Markup, tag

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tierhost.drills.reports.figures import Series

    Place = Callable[[float], float]

WIDTH: Final = 640
HEIGHT: Final = 220
LEFT, RIGHT, TOP, BOTTOM = 58, 622, 16, 176
POINTS_MAX: Final = 200
SMALLEST_S: Final = 1e-5


def curve(series: Series, prefix: str) -> Markup:
    """Draw one distribution, and the one beside it if there is one."""
    values = [*series.values, *series.beside]
    if not values:
        return tag("p", "no value: it never came", class_="soft")
    low = math.floor(math.log10(max(SMALLEST_S, min(values))) * 3) / 3
    high = max(low + 1 / 3, math.ceil(math.log10(max(SMALLEST_S, *values)) * 3) / 3)

    def x(value: float) -> float:
        return LEFT + (RIGHT - LEFT) * (math.log10(max(SMALLEST_S, value)) - low) / (high - low)

    parts = [
        tag("title", series.title, id=f"{prefix}-title"),
        tag("desc", "Share of values at or below each time; the table has the figures.", id=f"{prefix}-desc"),
        *_grid(low, high, x),
        _steps(series.values, series.told.n, x, "curve"),
    ]
    if series.beside:
        parts.append(_steps(series.beside, len(series.beside), x, "curve beside"))
    parts += _key(series)
    ids = f"{prefix}-title {prefix}-desc"
    return tag(
        "svg", parts, view_box=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_labelledby=ids, xmlns="http://www.w3.org/2000/svg"
    )


def _grid(low: float, high: float, x: Place) -> list[Markup]:
    drawn = []
    for share in (0.0, 0.5, 0.95, 1.0):
        y = _y(share)
        drawn.append(tag("line", x1=LEFT, x2=RIGHT, y1=y, y2=y, class_="grid"))
        if share != 0.95:  # noqa: PLR2004  # its label would touch that of 100 %
            drawn.append(tag("text", f"{share:.0%}", x=LEFT - 8, y=y + 4, class_="soft", text_anchor="end"))
    for power in range(math.floor(low), math.ceil(high) + 1):
        for factor in (1, 2, 5) if high - low < 3 else (1,):  # noqa: PLR2004  # decades
            value = factor * 10.0**power
            if low - 1e-9 <= math.log10(value) <= high + 1e-9:
                at = x(value)
                drawn.append(tag("line", x1=at, x2=at, y1=TOP, y2=BOTTOM, class_="grid"))
                drawn.append(tag("text", duration(value), x=at, y=BOTTOM + 16, class_="soft", text_anchor="middle"))
    return drawn


def _y(share: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * share


def _steps(values: Sequence[float], n: int, x: Place, look: str) -> Markup:
    ordered = sorted(values)
    chosen = sorted({round(number * (len(ordered) - 1) / (POINTS_MAX - 1)) for number in range(POINTS_MAX)})
    path = f"M{x(ordered[0]):.1f} {BOTTOM}"
    for number in chosen:
        path += f"H{x(ordered[number]):.1f}V{_y((number + 1) / n):.1f}"
    return tag("path", d=path, class_=look)


def _key(series: Series) -> list[Markup]:
    y = HEIGHT - 8
    parts = [tag("line", x1=LEFT, x2=LEFT + 28, y1=y - 4, y2=y - 4, class_="curve"), tag("text", "this run", x=LEFT + 36, y=y)]
    if series.beside:
        parts.append(tag("line", x1=LEFT + 130, x2=LEFT + 158, y1=y - 4, y2=y - 4, class_="curve beside"))
        parts.append(tag("text", f"{series.beside_name} (dashed)", x=LEFT + 166, y=y))
    return parts


def duration(seconds: float) -> str:
    """A time as a person reads it; what is infinite never came, or nobody knows."""
    if not math.isfinite(seconds):
        return "\N{INFINITY}" if seconds > 0 else "0"
    if abs(seconds) < 1e-3:  # noqa: PLR2004  # a millisecond
        return f"{seconds * 1e6:.3g} \N{MICRO SIGN}s"
    return f"{seconds * 1e3:.3g} ms" if abs(seconds) < 1 else f"{seconds:.3g} s"
