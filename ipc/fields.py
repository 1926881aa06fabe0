"""Which value may stand in which field of a message, and how large a value may be; says where one does not fit."""

from __future__ import annotations

import math
import typing
from collections.abc import Callable
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

Check = Callable[[Any], bool]


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


def _is_list(value: Any) -> bool:
    return type(value) is list and (not value or is_value(value))


def _is_map(value: Any) -> bool:
    return type(value) is dict and (not value or is_value(value))


def _is_float(value: Any) -> bool:
    return (type(value) is float and math.isfinite(value)) or type(value) is int


def _is_remaining(value: Any) -> bool:
    return _is_float(value) and 0 < value <= CALL_DEADLINE_MAX_S


def _is_number(value: Any) -> bool:
    # Ints in messages are counts and numbers of things: never below zero.
    return type(value) is int and value >= 0


def _is_name(value: Any) -> bool:
    return type(value) is str and len(value) <= NAME_CHARS_MAX


def _is_text(value: Any) -> bool:
    return type(value) is str and len(value) <= TEXT_CHARS_MAX


def _is_call_id(value: Any) -> bool:
    return type(value) is bytes and 0 < len(value) <= CALL_ID_BYTES_MAX


def _is_bool(value: Any) -> bool:
    return type(value) is bool


_BY_TYPE: Final[dict[Any, Check]] = {int: _is_number, float: _is_float, str: _is_text, bytes: _is_call_id, bool: _is_bool}


def check_for(name: str, annotation: Any) -> Check:
    """Return what tells whether a value may stand in this field."""
    if name == "remaining_s":
        return _is_remaining
    if name in NAMES:
        return _is_name
    origin = typing.get_origin(annotation)
    if origin in {list, dict}:
        return _is_list if origin is list else _is_map
    return _BY_TYPE.get(annotation, is_value)


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
