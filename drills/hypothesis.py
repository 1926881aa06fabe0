"""The steady-state hypothesis: whether an answer lies in its probe's tolerance (pure), and asking all probes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.history import ANSWERED, Probed
from tierhost.drills.plan import Ask
from tierhost.drills.recording import jsonable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tierhost.drills.plan import Probe
    from tierhost.drills.recording import Recorder

PROBE_DEADLINE_S: Final = 10.0
SHOWN_CHARS_MAX: Final = 200


def outside(tolerance: Mapping[str, Any], value: Any, took_s: float) -> str:
    """Say what is wrong with an answer (in JSON's terms); nothing if it lies in the tolerance."""
    for word, expected in tolerance.items():
        wrong = _CHECKS[word](expected, value, took_s)
        if wrong:
            return wrong
    return ""


def _equals(expected: Any, value: Any, _took_s: float) -> str:
    return "" if value == jsonable(expected) else f"expected {_shown(expected)}, got {_shown(value)}"


def _count(expected: int, value: Any, _took_s: float) -> str:
    return "" if _length(value) == expected else f"expected {expected} of them, got {_counted(value)}"


def _at_least(expected: float, value: Any, _took_s: float) -> str:
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else _length(value)
    return "" if number >= expected else f"expected at least {expected}, got {_counted(value)}"


def _at_most_s(expected: float, _value: Any, took_s: float) -> str:
    return "" if took_s <= expected else f"took {took_s:.3f} s, at most {expected:g} s"


def _contains(expected: Any, value: Any, _took_s: float) -> str:
    return "" if _has(jsonable(expected), value) else f"expected {_shown(expected)} in {_shown(value)}"


def _has(expected: Any, value: Any) -> bool:
    """Whether a table has these entries, or a list a member that has them (or is it)."""
    if isinstance(value, list):
        return any(_has(expected, each) for each in value)
    if isinstance(expected, dict):
        return isinstance(value, dict) and all(key in value and value[key] == each for key, each in expected.items())
    return bool(value == expected)


def _length(value: Any) -> int:
    return len(value) if isinstance(value, list | dict | str) else -1


def _counted(value: Any) -> str:
    return str(value) if isinstance(value, int | float) or value is None else str(_length(value))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARS_MAX else text[:SHOWN_CHARS_MAX] + "..."


_CHECKS: Final[Mapping[str, Callable[[Any, Any, float], str]]] = {
    "equals": _equals,
    "count": _count,
    "at_least": _at_least,
    "at_most_s": _at_most_s,
    "contains": _contains,
}
TOLERANCES: Final = tuple(_CHECKS)


def probe_all(probes: Iterable[Probe], recorder: Recorder, label: str) -> list[Probed]:
    """Ask each probe once. A call that fails does not hold."""
    found = []
    for probe in probes:
        call, answer = recorder.make(Ask(probe.method, probe.args, PROBE_DEADLINE_S), load=True)
        took_s = (call.end_s or time.monotonic()) - call.begin_s
        failed = "" if call.outcome == ANSWERED else f"{call.kind}: {call.text}"
        wrong = failed or outside(probe.tolerance, jsonable(answer), took_s)
        found.append(Probed(label, probe.title, not wrong, wrong or "as expected", time.monotonic()))
    return found
