"""The JSON schema (draft 2020-12) of a report: what other programs may rely on."""

from __future__ import annotations

from typing import Any, Final

FORMAT: Final = "tierhost-drill-report/1"

Schema = dict[str, Any]

_TEXT: Final[Schema] = {"type": "string"}
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_NUMBER: Final[Schema] = {"type": "number"}
_PERHAPS: Final[Schema] = {"type": ["number", "null"]}
_VERDICT: Final[Schema] = {"enum": ["HELD", "UNKNOWN", "BROKEN"]}


def _object(**properties: Schema) -> Schema:
    """An object that has exactly these."""
    return {"type": "object", "properties": properties, "required": sorted(properties), "additionalProperties": False}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


_ESTIMATE: Final = _object(value=_PERHAPS, low=_PERHAPS, high=_PERHAPS)
_DISTRIBUTION: Final = _object(
    n=_COUNT, p50=_ESTIMATE, p95=_ESTIMATE, p99=_ESTIMATE, smallest=_PERHAPS, largest=_PERHAPS, never=_COUNT
)
_SHARE: Final = _object(k=_COUNT, n=_COUNT, low=_NUMBER, high=_NUMBER)
_COMPARISON: Final = _object(difference=_ESTIMATE, p_value=_NUMBER)
_FINDING: Final = _object(checker=_TEXT, verdict=_VERDICT, text=_TEXT, evidence=_list(_TEXT))
_STRIKE: Final = _object(
    number=_COUNT,
    kind=_TEXT,
    target=_TEXT,
    point=_TEXT,
    fired_s=_PERHAPS,
    proof=_TEXT,
    healed_s=_PERHAPS,
    broken=_TEXT,
)
_SHORT: Final[dict[str, Schema]] = {
    "seed": {"type": "integer"},
    "target": _TEXT,
    "took_s": _NUMBER,
    "verdict": _VERDICT,
    "findings": _list(_FINDING),
    "strikes": _list(_STRIKE),
    "calls": _COUNT,
}
_KEPT: Final[Schema] = {
    "type": "object",
    "required": ["drill", "target", "seed", "began_s", "ended_s", "calls", "strikes", "journal", "looks", "notes"],
}
_LEFT_OUT: Final = _object(calls=_COUNT, journal=_COUNT)
_CELL: Final = _object(
    operation=_TEXT,
    fault=_TEXT,
    effect={"enum": ["unharmed", "slowed", "typed error", "hang", "not asked"]},
    calls=_COUNT,
    failed=_COUNT,
    hung=_COUNT,
    slowest_s=_NUMBER,
    kinds={"type": "object", "additionalProperties": _COUNT},
)
_DRILL: Final[Schema] = {
    "type": "object",
    "required": ["name", "title", "proves", "site", "steady", "asks", "load", "faults", "radius", "abort_after_s", "options"],
}

SCHEMA: Final[Schema] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": FORMAT,
    "title": "A report of one drill",
    **_object(
        format={"enum": [FORMAT]},
        tierhost=_TEXT,
        verdict=_VERDICT,
        command=_TEXT,
        drill=_DRILL,
        notes=_list(_TEXT),
        trials=_list(_object(**_SHORT, history=_KEPT, left_out=_LEFT_OUT)),
        control=_list(_object(**_SHORT)),
        other=_object(name=_TEXT, trials=_list(_object(**_SHORT))),
        matrix=_list(_CELL),
        distributions=_list(
            _object(
                title=_TEXT,
                told=_DISTRIBUTION,
                beside_name=_TEXT,
                beside_told=_or_null(_DISTRIBUTION),
                compared=_or_null(_COMPARISON),
            )
        ),
        shares=_list(
            _object(title=_TEXT, told=_SHARE, beside_name=_TEXT, beside=_or_null(_SHARE), compared=_or_null(_COMPARISON))
        ),
    ),
}
