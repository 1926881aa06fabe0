"""The grammar of logical points: "storage, 2nd state commit" and its like, to a Point and back."""

from __future__ import annotations

import re
from typing import Final

from tierhost.drills.faults import BadPlan
from tierhost.drills.plan import Point

GRAMMAR: Final = (
    '"t+2s" or "t+250ms"',
    '"phase AUTOSTARTING of storage" (", 2nd time" may follow)',
    '"storage, 2nd state commit"',
    '"qemu -> secret, 1st reply"',
    '"storage, 1st call"',
)
"""One example of each form, for whoever wrote none of them."""

ORDINAL_MAX: Final = 100_000
MS_PER_S: Final = 1000

_DRIVER: Final = r"[a-z][a-z0-9-]*"
_ORDINAL: Final = r"(?P<ordinal>[1-9]\d{0,5})(?P<suffix>st|nd|rd|th)"
_TIME: Final = re.compile(r"t\+(?P<number>\d+(?:\.\d+)?)(?P<unit>ms|s)")
_PHASE: Final = re.compile(rf"phase (?P<phase>[A-Z]+) of (?P<driver>{_DRIVER})(?:, {_ORDINAL} time)?")
_COMMIT: Final = re.compile(rf"(?P<driver>{_DRIVER}), {_ORDINAL} state commit")
_REPLY: Final = re.compile(rf"(?P<driver>{_DRIVER}) -> (?P<peer>{_DRIVER}), {_ORDINAL} reply")
_CALL: Final = re.compile(rf"(?P<driver>{_DRIVER}), {_ORDINAL} call")
_FORMS: Final = {"phase": _PHASE, "commit": _COMMIT, "reply": _REPLY, "call": _CALL}
PATTERN: Final = "^(?:" + "|".join(re.sub(r"\?P<\w+>", "?:", form.pattern) for form in (_TIME, *_FORMS.values())) + ")$"
"""The whole grammar as one regular expression without names, for editors."""


def parse(text: str) -> Point:
    """Read a point. Raises BadPlan, which shows every form there is."""
    timed = _TIME.fullmatch(text)
    if timed:
        number = float(timed["number"])
        return Point("time", after_s=number / MS_PER_S if timed["unit"] == "ms" else number)
    for kind, form in _FORMS.items():
        found = form.fullmatch(text)
        if found:
            names = found.groupdict(default="")
            who = {name: names.get(name, "") for name in ("driver", "peer", "phase")}
            return Point(kind, who["driver"], who["peer"], who["phase"], _ordinal(text, found))
    raise BadPlan(f"{text!r} is no point", hint="say " + ", ".join(GRAMMAR))


def _ordinal(text: str, found: re.Match[str]) -> int:
    if found["ordinal"] is None:
        return 1
    number = int(found["ordinal"])
    if number > ORDINAL_MAX:
        raise BadPlan(f"{text!r} counts to {number}, at most {ORDINAL_MAX}")
    if found["suffix"] != _suffix(number):
        raise BadPlan(f"{text!r}: write {nth(number)}")
    return number


def text_of(point: Point) -> str:
    """Write a point down: the text that `parse` reads."""
    if point.kind == "time":
        return f"t+{point.after_s:.6f}".rstrip("0").rstrip(".") + "s"
    if point.kind == "phase":
        again = f", {nth(point.ordinal)} time" if point.ordinal > 1 else ""
        return f"phase {point.phase} of {point.driver}{again}"
    if point.kind == "commit":
        return f"{point.driver}, {nth(point.ordinal)} state commit"
    if point.kind == "reply":
        return f"{point.driver} -> {point.peer}, {nth(point.ordinal)} reply"
    if point.kind == "call":
        return f"{point.driver}, {nth(point.ordinal)} call"
    raise BadPlan(f"{point.kind!r} is no kind of point", hint=f"known: time, {', '.join(_FORMS)}")


def nth(number: int) -> str:
    """Write an ordinal: 1st, 2nd, 3rd, 4th, 11th, 21st."""
    return f"{number}{_suffix(number)}"


def _suffix(number: int) -> str:
    if number % 100 in {11, 12, 13}:
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
