"""The timeline of one run, as SVG written by hand: a lane for each worker and guest, faults as numbered lines across."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from tierhost.drills.reports.lanes import COMING, DOWN, UP, Lane, lanes_of
from tierhost.drills.reports.markup import Markup, tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tierhost.drills.history import History
    from tierhost.drills.reports.lanes import Mark, Span

WIDTH: Final = 1000
LEFT: Final = 118
RIGHT: Final = 984
TOP: Final = 44
LANE: Final = 46
BAR: Final = 14
ANSWER_TOP: Final = 20
ANSWER_MAX: Final = 16
SLICES: Final = 240
SPANS_MAX: Final = 400
MARKS_MAX: Final = 60
LABEL_CHARS_MAX: Final = 17
TICKS_MAX: Final = 9
LONG_ANSWER_S: Final = 1.0
SHORT_ANSWER_S: Final = 0.0005


def timeline(history: History, prefix: str) -> Markup:
    """Draw one run. `prefix` keeps its ids apart from those of other drawings on the page."""
    lanes = lanes_of(history)
    height = TOP + LANE * len(lanes) + 50
    scale = _Scale(max(1e-3, history.ended_s - history.began_s))
    title = tag("title", f"Timeline of {history.drill}, seed {history.seed}", id=f"{prefix}-title")
    desc = tag("desc", _in_words(history, lanes), id=f"{prefix}-desc")
    parts = [
        title,
        desc,
        _axis(scale, height),
        *(_lane(lane, TOP + LANE * number, scale) for number, lane in enumerate(lanes)),
        *_strikes(history, scale, height),
        *_key(height - 12),
    ]
    return tag(
        "svg",
        parts,
        view_box=f"0 0 {WIDTH} {height}",
        role="img",
        aria_labelledby=f"{prefix}-title {prefix}-desc",
        xmlns="http://www.w3.org/2000/svg",
    )


def _in_words(history: History, lanes: Sequence[Lane]) -> str:
    struck = [
        f"{strike.kind} of {strike.target} at {strike.fired_s - history.began_s:.3f} s"
        for strike in history.strikes
        if strike.fired_s is not None
    ]
    failed = {lane.name: len(lane.failed) for lane in lanes if lane.failed}
    return (
        f"{history.ended_s - history.began_s:.2f} seconds, lanes: {', '.join(lane.name for lane in lanes)}. "
        f"Faults: {'; '.join(struck) or 'none'}. "
        f"Calls not answered: {', '.join(f'{count} of {name}' for name, count in failed.items()) or 'none'}. "
        "The table below has the same facts."
    )


class _Scale:
    """From seconds to places."""

    def __init__(self, length_s: float) -> None:
        self.length_s = length_s

    def x(self, at_s: float) -> float:
        return LEFT + (RIGHT - LEFT) * min(1.0, max(0.0, at_s / self.length_s))


def _axis(scale: _Scale, height: int) -> Markup:
    step_s = nice_step(scale.length_s, TICKS_MAX)
    ticks = []
    for number in range(int(scale.length_s / step_s + 1e-9) + 1):
        x = scale.x(number * step_s)
        ticks.append(tag("line", x1=x, x2=x, y1=TOP - 4, y2=height - 44, class_="grid"))
        label = f"{number * step_s:g} s"
        ticks.append(tag("text", label, x=x, y=height - 32, class_="soft", text_anchor="end" if x > RIGHT - 20 else "middle"))
    return tag("g", ticks)


def nice_step(length: float, ticks_max: int) -> float:
    """A round distance between ticks: 1, 2 or 5 times a power of ten."""
    rough = length / ticks_max
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))


def _lane(lane: Lane, top: int, scale: _Scale) -> Markup:
    name = lane.name if len(lane.name) <= LABEL_CHARS_MAX else lane.name[: LABEL_CHARS_MAX - 1] + "\N{HORIZONTAL ELLIPSIS}"
    parts = [
        tag("line", x1=LEFT, x2=RIGHT, y1=top + LANE - 6, y2=top + LANE - 6, class_="grid"),
        tag("text", tag("title", lane.name), name, x=LEFT - 10, y=top + 12, text_anchor="end"),
        *(_bar(span, top, scale) for span in lane.spans[:SPANS_MAX]),
        *(_answer(span, top, scale) for span in _slowest(lane.answers, scale)),
        *(_cross(mark, scale.x(mark.at_s), top + ANSWER_TOP + 8, "failed") for mark in _thinned(lane.failed)),
        *(_death(mark, scale.x(mark.at_s), top) for mark in _thinned(lane.marks)),
    ]
    return tag("g", parts)


def _bar(span: Span, top: int, scale: _Scale) -> Markup:
    x, width = scale.x(span.begin_s), max(1.2, scale.x(span.end_s) - scale.x(span.begin_s))
    told = tag("title", f"{span.text}, {span.begin_s:.3f} s to {span.end_s:.3f} s")
    if span.look == DOWN:
        y = top + BAR / 2
        return tag("g", told, tag("line", x1=x, x2=x + width, y1=y, y2=y, class_="gapline"))
    # How far a worker has come shows as height, too, for who cannot tell the colours apart.
    low = BAR / 2 if span.look == COMING else 0
    shape = {"x": x, "y": top + low, "width": width, "height": BAR - low, "rx": 1.5}
    return tag("rect", told, class_=span.look if span.look in {UP, COMING} else UP, **shape)


def _slowest(answers: Iterable[Span], scale: _Scale) -> list[Span]:
    """One answer for each slice of the run: the slowest."""
    slices: dict[int, Span] = {}
    for span in answers:
        place = int(span.end_s / scale.length_s * SLICES)
        if place not in slices or _took_s(slices[place]) < _took_s(span):
            slices[place] = span
    return list(slices.values())


def _took_s(span: Span) -> float:
    return span.end_s - span.begin_s


def _answer(span: Span, top: int, scale: _Scale) -> Markup:
    """A hair whose length is how long the answer took, by its logarithm: half a millisecond is none, a second is all."""
    x, base = scale.x(span.end_s), top + ANSWER_TOP + ANSWER_MAX
    if span.begin_s == span.end_s:
        return tag("circle", tag("title", f"{span.text} at {span.end_s:.3f} s"), cx=x, cy=top + BAR / 2, r=4, class_="seen")
    part = math.log(max(1.0, _took_s(span) / SHORT_ANSWER_S)) / math.log(LONG_ANSWER_S / SHORT_ANSWER_S)
    y = base - max(1.5, ANSWER_MAX * min(1.0, part))
    return tag("line", tag("title", f"{span.text} (slowest here)"), x1=x, x2=x, y1=base, y2=y, class_="answer")


def _cross(mark: Mark, x: float, y: float, look: str) -> Markup:
    told = tag("title", f"{mark.text}, at {mark.at_s:.3f} s")
    return tag("path", told, d=f"M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8", class_=look)


def _death(mark: Mark, x: float, top: int) -> Markup:
    told = tag("title", f"{mark.text}, at {mark.at_s:.3f} s")
    return tag("path", told, d=f"M{x:.1f} {top - 3}v{BAR + 6}m-4 {-BAR - 2}h8", class_="mark")


def _thinned(marks: Sequence[Mark]) -> Sequence[Mark]:
    step = max(1, -(-len(marks) // MARKS_MAX))
    return marks[::step]


def _strikes(history: History, scale: _Scale, height: int) -> list[Markup]:
    drawn, last_x, row = [], -100.0, 0
    fired = [strike for strike in history.strikes if strike.fired_s is not None]
    for strike in sorted(fired, key=lambda each: each.fired_s or 0.0):
        at_s = (strike.fired_s or 0.0) - history.began_s
        x = scale.x(at_s)
        # Badges that would cover each other take turns in two rows.
        row = 1 - row if x - last_x < 20 else 0  # noqa: PLR2004  # a badge is 18 wide
        last_x, y = x, 12 + 18 * row
        told = tag("title", f"fault {strike.number}: {strike.kind} of {strike.target}, at {at_s:.3f} s: {strike.proof}")
        drawn.append(
            tag(
                "g",
                told,
                tag("line", x1=x, x2=x, y1=y, y2=height - 44, class_="strike"),
                tag("circle", cx=x, cy=y, r=9, class_="disc"),
                tag("text", str(strike.number), x=x, y=y + 4, class_="onDisc", text_anchor="middle"),
            )
        )
    return drawn


def _key(y: int) -> list[Markup]:
    """What the shapes mean, in words beside them."""
    entries = [
        (LEFT, tag("rect", x=LEFT, y=y - 10, width=22, height=10, class_=UP), "serving"),
        (LEFT + 92, tag("rect", x=LEFT + 92, y=y - 5, width=22, height=5, class_=COMING), "starting"),
        (LEFT + 188, tag("line", x1=LEFT + 188, x2=LEFT + 210, y1=y - 5, y2=y - 5, class_="gapline"), "down"),
        (LEFT + 268, tag("path", d=f"M{LEFT + 279} {y - 11}v12m-4 -9h8", class_="mark"), "a life ended"),
        (LEFT + 384, tag("line", x1=LEFT + 395, x2=LEFT + 395, y1=y, y2=y - 10, class_="answer"), "slowest answer (log)"),
        (LEFT + 552, tag("path", d=f"M{LEFT + 559} {y - 9}l8 8m0 -8l-8 8", class_="failed"), "call not answered"),
        (LEFT + 696, tag("circle", cx=LEFT + 707, cy=y - 5, r=7, class_="disc"), "fault"),
        (LEFT + 768, tag("circle", cx=LEFT + 779, cy=y - 5, r=4, class_="seen"), "guest seen"),
    ]
    return [tag("g", shape, tag("text", text, x=x + 28, y=y, class_="key soft")) for x, shape, text in entries]
