"""A run on disk: plan, seed, history and verdicts as one JSON object, to be judged and replayed later."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from tierhost import __version__
from tierhost.drills.faults import BadPlan
from tierhost.drills.history import Call, History, Journaled, Look, Probed, Strike
from tierhost.drills.plan import Ask, Drill, Fault, Load, Point, Probe, Radius
from tierhost.drills.verdicts import Finding, Verdict, worst

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FORM: Final = 1
FILE_BYTES_MAX: Final = 256 << 20


@dataclass(frozen=True, slots=True)
class Stored:
    """One run, judged."""

    drill: Drill
    history: History
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of all words."""
        return worst(self.findings)


def plan_of(drill: Drill) -> dict[str, Any]:
    """Put a plan into JSON's terms; bytes become {"bytes": hex}, so that they come back."""
    found: dict[str, Any] = _outward(asdict(drill))
    return found


def drill_from(raw: Any) -> Drill:
    """Read a plan back. Raises BadPlan."""
    try:
        words = dict(_inward(raw))
        words["steady"] = tuple(Probe(**{**each, "args": tuple(each["args"])}) for each in words["steady"])
        words["asks"] = tuple(_ask(each) for each in words["asks"])
        words["load"] = Load(tuple(_ask(each) for each in words["load"]["asks"]), words["load"]["per_second"])
        words["faults"] = tuple(Fault(**{**each, "point": Point(**each["point"])}) for each in words["faults"])
        radius = words["radius"]
        words["radius"] = Radius(**{**radius, **{key: tuple(each) for key, each in radius.items() if isinstance(each, list)}})
        return Drill(**words)
    except (KeyError, TypeError, ValueError) as error:
        raise BadPlan(f"the plan in it cannot be read: {type(error).__name__}: {error}") from None


def _ask(raw: dict[str, Any]) -> Ask:
    return Ask(**{**raw, "args": tuple(raw["args"])})


def _outward(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, dict):
        return {key: _outward(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_outward(each) for each in value]
    return value


def _inward(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"bytes"}:
            return bytes.fromhex(value["bytes"])
        return {key: _inward(each) for key, each in value.items()}
    return [_inward(each) for each in value] if isinstance(value, list) else value


def value_of(stored: Stored) -> dict[str, Any]:
    """Put a run into JSON's terms."""
    return {
        "form": FORM,
        "version": __version__,
        "drill": stored.drill.name,
        "verdict": stored.verdict.name,
        "seed": stored.history.seed,
        "findings": [{**asdict(finding), "verdict": finding.verdict.name} for finding in stored.findings],
        "plan": plan_of(stored.drill),
        "history": asdict(stored.history),
    }


def write(path: Path, stored: Stored) -> None:
    """Write a run, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(value_of(stored), indent=1, default=str) + "\n", encoding="utf-8")
    os.replace(fresh, path)


def read(path: Path) -> Stored:
    """Read a run back. Raises BadPlan for what is none, or OSError."""
    if path.stat().st_size > FILE_BYTES_MAX:
        raise BadPlan(f"{path} has {path.stat().st_size} bytes, the limit is {FILE_BYTES_MAX}")
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["form"] != FORM:
            raise BadPlan(f"{path} is of form {raw['form']!r}, this version reads {FORM}")
        findings = tuple(_finding(each) for each in raw["findings"])
        return Stored(drill_from(raw["plan"]), history_from(raw["history"]), findings)
    except (ValueError, KeyError, TypeError) as error:
        raise BadPlan(f"{path} is no stored run: {type(error).__name__}: {error}") from None


def _finding(raw: dict[str, Any]) -> Finding:
    return Finding(raw["checker"], Verdict[raw["verdict"]], raw["text"], tuple(raw["evidence"]))


def _calls_from(raw: Sequence[dict[str, Any]]) -> tuple[Call, ...]:
    return tuple(Call(**{**each, "args": tuple(each["args"])}) for each in raw)


def history_from(raw: dict[str, Any]) -> History:
    """Read a history back. Raises KeyError or TypeError."""
    parts: dict[str, Sequence[Any]] = {
        "calls": _calls_from(raw["calls"]),
        "control": _calls_from(raw.get("control", ())),
        "strikes": tuple(Strike(**each) for each in raw["strikes"]),
        "journal": tuple(Journaled(**each) for each in raw["journal"]),
        "looks": tuple(Look(**each) for each in raw["looks"]),
        "probes": tuple(Probed(**each) for each in raw["probes"]),
        "notes": tuple(raw["notes"]),
    }
    return History(**{**raw, **parts})
