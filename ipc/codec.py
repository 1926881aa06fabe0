"""Messages to bytes and back: strict, bounded, and the only place that knows msgpack's form of them."""

from __future__ import annotations

import math
import typing
from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

import msgpack

from tierhost.ipc import messages
from tierhost.ipc.errors import ProtocolError
from tierhost.ipc.limits import (
    CALL_DEADLINE_MAX_S,
    CALL_ID_BYTES_MAX,
    DEPTH_MAX,
    FRAME_BYTES_MAX,
    ITEMS_MAX,
    NAME_CHARS_MAX,
    TEXT_CHARS_MAX,
    VALUES_MAX,
)

if typing.TYPE_CHECKING:
    from tierhost.ipc.messages import Message


class NotInLanguage(TypeError):  # noqa: N818  # named for what happened, like the rest of our vocabulary
    """Raised by encode when a value cannot travel: the sender's mistake, named by place and type, never by content."""


KINDS: Final[tuple[type[Message], ...]] = (
    messages.Parked,
    messages.Hello,
    messages.VerbDone,
    messages.Report,
    messages.Inhibit,
    messages.Happened,
    messages.Goodbye,
    messages.Assign,
    messages.Welcome,
    messages.Perform,
    messages.PeerUp,
    messages.PeerDown,
    messages.Leave,
    messages.Request,
    messages.Reply,
    messages.Failure,
    messages.Event,
)
"""A message's place in here is its tag on the wire: append, never reorder (or raise limits.PROTOCOL)."""

NAMES: Final = frozenset({"warm", "driver", "phase", "verb", "outcome", "kind", "method", "caller", "source"})
"""Fields that hold a name; every other text field is for people, and may be longer."""

PACKER_BYTES: Final = 4096

Check = Callable[[Any], bool]
Pick = Callable[[Any], tuple[Any, ...]]


def encode(message: Message) -> bytes:
    """Turn a message into bytes. Raises NotInLanguage for values that cannot travel, or are too large."""
    try:
        tag, pick, names, checks = _BY_CLASS[type(message)]
    except KeyError:
        reason = f"{type(message).__name__} is no message"
        raise NotInLanguage(reason) from None
    values = pick(message)
    for name, check, value in zip(names, checks, values, strict=True):
        if not check(value):
            reason = f"{type(message).__name__}.{name} {_fault(value)}"
            raise NotInLanguage(reason)
    try:
        data: bytes = msgpack.packb((tag, *values), buf_size=PACKER_BYTES)
    except (OverflowError, UnicodeEncodeError, ValueError) as error:
        reason = f"{type(message).__name__} cannot carry this: {type(error).__name__}: {_without_content(error)}"
        raise NotInLanguage(reason) from None
    if len(data) > FRAME_BYTES_MAX:
        reason = f"{type(message).__name__} would have {len(data)} bytes, the limit is {FRAME_BYTES_MAX}"
        raise NotInLanguage(reason)
    return data


def decode(data: bytes) -> Message:
    """Turn bytes into a message. Raises ProtocolError, whatever the bytes are; never anything else."""
    values = _unpacked(data)
    if type(values) is not list or not values or type(values[0]) is not int or not 0 <= values[0] < len(KINDS):
        reason = "a frame that starts with no known kind of message"
        raise ProtocolError(reason)
    kind = KINDS[values.pop(0)]
    _, _, names, checks = _BY_CLASS[kind]
    if len(values) != len(names):
        reason = f"{kind.__name__} with {len(values)} fields, it has {len(names)}"
        raise ProtocolError(reason)
    for name, check, value in zip(names, checks, values, strict=True):
        if not check(value):
            reason = f"{kind.__name__}.{name} {_fault(value)}"
            raise ProtocolError(reason)
    return kind(*values)


def legible(text: str, chars_max: int = TEXT_CHARS_MAX) -> str:
    """Make any text fit to travel in a text field: cut, and bytes that are no text (from file names) spelled out."""
    return text[:chars_max].encode("utf-8", "backslashreplace").decode()[:chars_max]


def travels(value: object) -> bool:
    """Whether a value can be an argument, an answer, or a part of one. Its size in bytes is for `encode` to judge."""
    return _is_value(value)


def _unpacked(data: bytes) -> Any:
    size = len(data)
    if size > FRAME_BYTES_MAX:
        reason = f"a frame of {size} bytes, the limit is {FRAME_BYTES_MAX}"
        raise ProtocolError(reason)
    # A list is allocated when its length is read, so no length is believed that the frame cannot hold.
    items_max = min(size, ITEMS_MAX)
    # Only a frame with more bytes than VALUES_MAX can hold more values than that; the others are spared the counting.
    list_hook = _Tally().count if size > VALUES_MAX else None
    try:
        return msgpack.unpackb(
            data,
            strict_map_key=True,
            object_pairs_hook=_map_of,
            list_hook=list_hook,
            max_array_len=items_max,
            max_map_len=items_max,
            max_ext_len=0,
        )
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        reason = f"not a message: {type(error).__name__}: {_without_content(error)}"
        raise ProtocolError(reason) from None


class _Tally:
    """Stops the unpacking of a large frame that is nothing but values: 8 MB of empty lists would take 500 MB."""

    def __init__(self) -> None:
        self._left = VALUES_MAX

    def count(self, items: list[Any]) -> list[Any]:
        self._left -= len(items)
        if self._left < 0:
            reason = f"more than {VALUES_MAX} values"
            raise ValueError(reason)
        return items


def _map_of(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        reason = "a map with the same key twice"
        raise ValueError(reason)
    return made


def _without_content(error: Exception) -> str:
    """Say what went wrong without what was sent: it may be a secret, or huge."""
    return error.reason if isinstance(error, UnicodeDecodeError | UnicodeEncodeError) else str(error)[:NAME_CHARS_MAX]


# What may be in which field.


class _Unfit(Exception):  # noqa: N818  # never leaves this file
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


def _is_value(value: Any) -> bool:
    try:
        _weigh((value,), 0)
    except _Unfit:
        return False
    return True


def _is_list(value: Any) -> bool:
    return type(value) is list and (not value or _is_value(value))


def _is_map(value: Any) -> bool:
    return type(value) is dict and (not value or _is_value(value))


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


def _check_for(name: str, annotation: Any) -> Check:
    if name == "remaining_s":
        return _is_remaining
    if name in NAMES:
        return _is_name
    origin = typing.get_origin(annotation)
    if origin in {list, dict}:
        return _is_list if origin is list else _is_map
    return _BY_TYPE.get(annotation, _is_value)


def _picker(names: tuple[str, ...]) -> Pick:
    pick = attrgetter(*names)
    # attrgetter returns a bare value, not a tuple, when it is given one name.
    return pick if len(names) > 1 else lambda message: (pick(message),)


def _shape_of(kind: type[Message], tag: int) -> tuple[int, Pick, tuple[str, ...], tuple[Check, ...]]:
    hints = typing.get_type_hints(kind)
    names = tuple(kind.__dataclass_fields__)
    return tag, _picker(names), names, tuple(_check_for(name, hints[name]) for name in names)


_BY_CLASS: Final = {kind: _shape_of(kind, tag) for tag, kind in enumerate(KINDS)}


# What is wrong with a value, in words. Slow, and only for values that were refused.


def _fault(value: Any, depth: int = 0) -> str:
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
        if not _is_value(item):
            return f"at {place!r:.40} {_fault(item, depth + 1)}"
    return f"is {_described(value)}, which is not allowed there, or too much: {VALUES_MAX} values and {DEPTH_MAX} levels at most"


def _described(value: Any) -> str:
    if type(value) in {str, bytes}:
        return f"a {type(value).__name__} of length {len(value)}"
    if type(value) in {int, float}:
        return "a number"
    return f"a {type(value).__name__}"
