"""What a drill file may say: one JSON schema, which checks every file here and completes keys in editors elsewhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills import points
from tierhost.drills.hypothesis import TOLERANCES
from tierhost.drills.losses import OWNERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Path = tuple[str | int, ...]
Schema = dict[str, Any]

METHOD: Final = r"^[a-z][a-z0-9-]*\.[a-z_][a-z0-9_]*$"
LOSABLE: Final = "^(" + "|".join(OWNERS) + r") \S"
SECONDS_MAX: Final = 86_400
RATE_MAX: Final = 10_000
TIMES_MAX: Final = 10_000


def _text(what: str, **more: Any) -> Schema:
    return {"type": "string", "description": what, **more}


def _seconds(what: str) -> Schema:
    return {"type": "number", "minimum": 0, "maximum": SECONDS_MAX, "description": what}


def _table(what: str, properties: Schema, required: tuple[str, ...] = ()) -> Schema:
    return {
        "type": "object",
        "description": what,
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _list(what: str, items: Schema) -> Schema:
    return {"type": "array", "description": what, "items": items}


_ARGS: Final = _list(
    'what is handed over; { bytes = "..." } stands for bytes, { file = "pool.xml" } for the text of a file beside this one',
    {},
)
_ASK: Final = _table(
    "a call",
    {
        "method": _text("DRIVER.METHOD, as in `tierhost call`", pattern=METHOD),
        "args": _ARGS,
        "deadline_s": _seconds("how long it may take"),
        "refused": _text("the kind of error that it must get, as DriverError: an answer is the failure then"),
        "times": {
            "type": "integer",
            "minimum": 1,
            "maximum": TIMES_MAX,
            "description": "how often; {n} in a text of args counts from 1",
        },
    },
    ("method",),
)
_TOLERANCE: Final = {
    "type": "object",
    "description": "what the answer must be like: " + ", ".join(TOLERANCES),
    "properties": {
        "equals": {"description": "the very answer"},
        "count": {"type": "integer", "minimum": 0, "description": "so many members"},
        "at_least": {"type": "number", "description": "a number or a count not below this"},
        "at_most_s": _seconds("it came within this time"),
        "contains": {"description": "a table with these entries, or a list with such a member"},
    },
    "required": [],
    "additionalProperties": False,
}
_PROBE: Final = _table(
    "one sentence of the hypothesis",
    {
        "title": _text("the sentence"),
        "method": _text("the call that shows it", pattern=METHOD),
        "args": _ARGS,
        "tolerance": _TOLERANCE,
    },
    ("title", "method"),
)
_FAULT: Final = _table(
    "what is broken, and where",
    {
        "kind": _text("kill, stop, damage, reboot, ...: `tierhost drill list --faults`"),
        "target": _text('a driver, "any worker", "host", "zygote", "spares", "everything", "guest NAME", "guests"'),
        "at": _text("the point: " + ", ".join(points.GRAMMAR), pattern=points.PATTERN),
        "options": {"type": "object", "description": "of this kind; of every kind: heal_after_s, jitter_s, reach_s, hold"},
    },
    ("kind", "target", "at"),
)

SCHEMA: Final[Schema] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "a tierhost drill",
    **_table(
        "one drill: what is steady, what is asked meanwhile, what is broken where, and what may suffer from it",
        {
            "title": _text("what is done, in a few words"),
            "proves": _text("what is known when it held"),
            "site": _text('a folder of libvirt XML files, one of ours (secrets, pools, guests, example), or "running"'),
            "steady": _list("the steady-state hypothesis: a gate before, judged after", _PROBE),
            "asks": _list("the calls that the drill makes while it breaks things", _ASK),
            "load": _table(
                "a stream of harmless calls while it runs",
                {
                    "per_second": {"type": "number", "exclusiveMinimum": 0, "maximum": RATE_MAX, "description": "all together"},
                    "asks": _list("taken in turn", _ASK),
                },
            ),
            "faults": _list("in any order: each waits for its point", _FAULT),
            "radius": _table(
                "the blast radius: which calls may fail",
                {
                    "drivers": _list("drivers, or methods", {"type": "string"}),
                    "kinds": _list("errors that may be seen; empty: any", {"type": "string"}),
                    "for_s": _seconds("so long after the fault was healed"),
                    "may_lose": _list(
                        'objects that may be lost, if their driver tells it: "secrets *", "pools images"',
                        _text("KIND PATTERN", pattern=LOSABLE),
                    ),
                },
            ),
            "abort_after_s": _seconds("the run is healed and judged as it is after this time"),
            "options": _table(
                "of the run",
                {
                    "judges": _list("names of the judges to be asked; default: all", {"type": "string"}),
                    "settle_s": _seconds("how long it may take after healing until it is steady again (default 30)"),
                    "pace_s": _seconds("pause between two of the drill's own calls"),
                    "build": _text("a folder to put first on the host's PYTHONPATH: another build of it (`run --build`)"),
                    "config": _text("the configuration of the host, as `tierhost up --config` reads it"),
                    "host": _list("options of `tierhost up`", {"type": "string"}),
                    "daemon": {"type": "object", "description": "of --target generic: start, ready or ready_socket, call, stop"},
                },
            ),
        },
        ("title", "proves"),
    ),
}

_TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "array": list,
    "object": dict,
}


def mistakes(value: Any, schema: Schema, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield the place and the text of everything in a value that the schema does not allow."""
    kind = schema.get("type")
    if kind and (not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind in {"integer", "number"})):
        yield path, f"expected {_named(kind)}, got {value!r:.200}"
        return
    wrong = _wrong(value, schema)
    if wrong:
        yield path, wrong
    if kind == "array" and "items" in schema:
        for number, each in enumerate(value):
            yield from mistakes(each, schema["items"], (*path, number))
    if kind == "object" and "properties" in schema:
        yield from _mistakes_of_table(value, schema, path)


def _mistakes_of_table(value: dict[str, Any], schema: Schema, path: Path) -> Iterator[tuple[Path, str]]:
    known = schema["properties"]
    for key, each in value.items():
        if key in known:
            yield from mistakes(each, known[key], (*path, key))
        else:
            yield (*path, key), f"unknown key (known: {', '.join(known)})"
    for key in schema["required"]:
        if key not in value:
            yield path, f"the key {key!r} is missing"


def _wrong(value: Any, schema: Schema) -> str:
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return f"{value!r:.200} is not of the form it must have: {schema['description']}"
    if "minimum" in schema and value < schema["minimum"]:
        return f"expected at least {schema['minimum']}, got {value!r}"
    if "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
        return f"expected more than {schema['exclusiveMinimum']}, got {value!r}"
    if "maximum" in schema and value > schema["maximum"]:
        return f"expected at most {schema['maximum']}, got {value!r}"
    return ""


def _named(kind: str) -> str:
    return {"string": "text", "integer": "a whole number", "number": "a number", "array": "a list", "object": "a table"}[kind]
