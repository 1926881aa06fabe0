"""A drill from a few words in a program: as in a drill file, and shorter where a test wants it short."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tierhost.drills import points
from tierhost.drills.faults import BadPlan, table
from tierhost.drills.plan import Ask, Drill, Fault, Load, Probe, Radius

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

KEYS: Final = frozenset(
    {"faults", "load", "per_second", "asks", "steady", "radius", "abort_after_s", "title", "proves", "options"}
)
HINT: Final = 'say {"kind": "kill", "target": "secret", "at": "t+0.1s"}, or "kill secret at t+0.1s"'


def drill_of(words: Mapping[str, Any]) -> Drill:
    """Make a drill. `faults` are Faults, tables as in a drill file, or "KIND TARGET at POINT". Raises BadPlan."""
    unknown = sorted(words.keys() - KEYS)
    if unknown:
        raise BadPlan(f"a drill has no {unknown[0]!r}", hint=f"known: {', '.join(sorted(KEYS))}")
    plain = {key: words[key] for key in ("abort_after_s", "options") if key in words}
    return Drill(
        name="in-a-test",
        title=words.get("title", "a drill of a test"),
        proves=words.get("proves", ""),
        steady=tuple(_probe(each) for each in words.get("steady", ())),
        asks=tuple(_ask(each) for each in words.get("asks", ())),
        load=Load(tuple(_ask(each) for each in words.get("load", ())), float(words.get("per_second", Load().per_second))),
        faults=tuple(fault_of(each) for each in words.get("faults", ())),
        radius=_radius(words.get("radius", Radius())),
        **plain,
    )


def fault_of(word: Fault | Mapping[str, Any] | str) -> Fault:
    """Make a fault. Raises BadPlan."""
    if isinstance(word, Fault):
        fault = word
    elif isinstance(word, str):
        what, _, where = word.partition(" at ")
        kind, _, target = what.partition(" ")
        if not (kind and target and where):
            raise BadPlan(f"{word!r} is no fault", hint=HINT)
        fault = Fault(kind, target, points.parse(where))
    else:
        try:
            fault = Fault(word["kind"], word["target"], points.parse(word["at"]), word.get("options", {}))
        except KeyError as missing:
            raise BadPlan(f"a fault needs {missing}", hint=HINT) from None
    if fault.kind not in table.kinds():
        raise BadPlan(f"no fault is called {fault.kind!r}", hint=f"known: {', '.join(sorted(table.kinds()))}")
    return fault


def _ask(word: Ask | Mapping[str, Any] | str) -> Ask:
    """A method's name is enough."""
    if isinstance(word, Ask):
        return word
    if isinstance(word, str):
        return Ask(word)
    return Ask(
        word["method"], tuple(word.get("args", ())), float(word.get("deadline_s", Ask("").deadline_s)), word.get("refused", "")
    )


def _probe(word: Probe | Mapping[str, Any]) -> Probe:
    if isinstance(word, Probe):
        return word
    return Probe(word.get("title", word["method"]), word["method"], tuple(word.get("args", ())), word.get("tolerance", {}))


def _radius(word: Radius | Mapping[str, Any]) -> Radius:
    if isinstance(word, Radius):
        return word
    names = {key: _names(word[key]) for key in ("drivers", "kinds", "may_lose") if key in word}
    return Radius(**names, for_s=float(word.get("for_s", Radius().for_s)))


def _names(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(words)
