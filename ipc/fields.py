"""Which value may stand in which field of a message, and how large a value may be; says where one does not fit."""

from __future__ import annotations

import math
import re
import typing
from collections.abc import Callable, Mapping
from typing import Any, Final

from tierhost.ipc.limits import (
    CALL_DEADLINE_MAX_S,
    CALL_ID_BYTES_MAX,
    DEPTH_MAX,
    ITEMS_MAX,
    NAME_CHARS_MAX,
    TEXT_CHARS_MAX,
    VALUES_MAX,
)

NAMES: Final = frozenset({"warm", "driver", "phase", "verb", "outcome", "kind", "method", "caller", "source"})
"""Fields that hold a name; every other text field is for people, and may be longer."""

Check = Callable[..., bool]


class _Unfit(Exception):
    """Raised inside a check."""


_LEAVES: Final = frozenset({str, bytes, int, bool, type(None)})


def _weigh(items: Any, depth: int) -> int:
    """Count the values in a list or in a map's values. Raises _Unfit."""
    total = len(items)
    if depth > DEPTH_MAX or total > ITEMS_MAX:
        raise _Unfit
    for item in items:
        kind = type(item)
        if kind in _LEAVES:
            continue
        if kind is list:
            total += _weigh(item, depth + 1)
        elif kind is dict:
            total += _weigh_map(item, depth + 1)
        elif kind is not float or not math.isfinite(item):
            raise _Unfit
        if total > VALUES_MAX:
            raise _Unfit
    return total


def _weigh_map(items: dict[Any, Any], depth: int) -> int:
    for key in items:
        if type(key) is not str:
            raise _Unfit
    return _weigh(items.values(), depth)


def is_value(value: Any) -> bool:
    """Whether a value can be an argument, an answer, or a part of one. Its size in bytes is for the codec to judge."""
    if type(value) in _LEAVES:
        return True
    try:
        _weigh((value,), 0)
    except _Unfit:
        return False
    return True


# What a value must be to stand in a field: an expression over `v`, so that all fields of a message are checked in one go.

_INT: Final = "type(v) is int and v >= 0"
"""Ints in messages are counts and numbers of things: never below zero."""

_NAME: Final = f"type(v) is str and len(v) <= {NAME_CHARS_MAX}"
_TEXT: Final = f"type(v) is str and len(v) <= {TEXT_CHARS_MAX}"
_REMAINING: Final = f"(type(v) is float or type(v) is int) and 0 < v <= {CALL_DEADLINE_MAX_S}"
"""What is no number lies between no two."""

_LIST: Final = "type(v) is list and (not v or is_value(v))"
_MAP: Final = "type(v) is dict and (not v or is_value(v))"
_VALUE: Final = "(type(v) in leaves or is_value(v))"
_BY_TYPE: Final[dict[Any, str]] = {
    int: _INT,
    float: "(type(v) is float and isfinite(v) or type(v) is int)",
    str: _TEXT,
    bytes: f"type(v) is bytes and 0 < len(v) <= {CALL_ID_BYTES_MAX}",
    bool: "type(v) is bool",
}


def _condition_for(name: str, annotation: Any) -> str:
    if name == "remaining_s":
        return _REMAINING
    if name in NAMES:
        return _NAME
    origin = typing.get_origin(annotation)
    if origin in {list, dict}:
        return _LIST if origin is list else _MAP
    return _BY_TYPE.get(annotation, _VALUE)


def check_for(fields: Mapping[str, Any]) -> Check:
    """Return what tells whether values may stand in these fields (their names and annotations), given in this order.

    It is compiled, as a named tuple's own methods are: every message goes through it, at both ends.
    """
    conditions = (re.sub(r"\bv\b", name, _condition_for(name, annotation)) for name, annotation in fields.items())
    text = f"lambda {', '.join(fields)}: {' and '.join(conditions) or True}"
    made: Check = eval(text, {"is_value": is_value, "leaves": _LEAVES, "isfinite": math.isfinite})  # noqa: S307  # of our own words
    return made


# What is wrong with a value, in words. Slow, and only for values that were refused.


def fault_in(value: Any, depth: int = 0) -> str:
    """Describe what may not be where, without repeating content."""
    if type(value) not in {list, dict}:
        return f"is {_described(value)} that is not allowed there"
    if len(value) > ITEMS_MAX:
        return f"has {len(value)} items, the limit is {ITEMS_MAX}"
    if depth >= DEPTH_MAX:
        return f"is nested deeper than {DEPTH_MAX}"
    if type(value) is dict and not all(type(key) is str for key in value):
        return "has a key that is no text"
    for place, item in enumerate(value) if type(value) is list else value.items():
        if not is_value(item):
            return f"at {place!r:.40} {fault_in(item, depth + 1)}"
    return f"is {_described(value)}, which is not allowed there, or too much: {VALUES_MAX} values and {DEPTH_MAX} levels at most"


def _described(value: Any) -> str:
    if type(value) in {str, bytes}:
        return f"a {type(value).__name__} of length {len(value)}"
    if type(value) in {int, float}:
        return "a number"
    return f"a {type(value).__name__}"
