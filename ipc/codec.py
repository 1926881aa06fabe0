"""Messages to bytes and back: strict, bounded, and the only place that knows msgpack's form of them."""

from __future__ import annotations

import math
import typing
from collections.abc import Callable
from typing import Any

import msgpack

from tierhost.ipc import messages
from tierhost.ipc.errors import ProtocolError
from tierhost.ipc.limits import CALL_DEADLINE_MAX_S, DEPTH_MAX, FRAME_BYTES_MAX, ITEMS_MAX
from tierhost.ipc.messages import Message


class NotInLanguage(TypeError):
    """Raised by encode when a value cannot travel: the sender's mistake, named by its type."""


KINDS: tuple[type[Message], ...] = (
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

Check = Callable[[Any], bool]


def encode(message: Message) -> bytes:
    """Turn a message into bytes. Raises NotInLanguage for values that cannot travel, or are too large."""
    number, fields = _BY_CLASS[type(message)]
    values = [number, *(getattr(message, name) for name, _ in fields)]
    for (name, check), value in zip(fields, values[1:], strict=True):
        if not check(value):
            reason = f"{type(message).__name__}.{name} cannot carry {_shown(value)}"
            raise NotInLanguage(reason)
    try:
        data: bytes = msgpack.packb(values)
    except (OverflowError, UnicodeEncodeError, ValueError) as error:
        reason = f"{type(message).__name__} cannot carry this: {error}"
        raise NotInLanguage(reason) from None
    if len(data) > FRAME_BYTES_MAX:
        reason = f"{type(message).__name__} would have {len(data)} bytes, the limit is {FRAME_BYTES_MAX}"
        raise NotInLanguage(reason)
    return data


def decode(data: bytes) -> Message:
    """Turn bytes into a message. Raises ProtocolError, whatever the bytes are; never anything else."""
    if len(data) > FRAME_BYTES_MAX:
        reason = f"a frame of {len(data)} bytes, the limit is {FRAME_BYTES_MAX}"
        raise ProtocolError(reason)
    try:
        values = msgpack.unpackb(data, strict_map_key=True, max_array_len=ITEMS_MAX, max_map_len=ITEMS_MAX, max_ext_len=0)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        reason = f"not a message: {type(error).__name__}: {error}"
        raise ProtocolError(reason) from None
    if not isinstance(values, list) or not values or type(values[0]) is not int or not 0 <= values[0] < len(KINDS):
        reason = "a frame that starts with no known kind of message"
        raise ProtocolError(reason)
    kind = KINDS[values[0]]
    fields = _BY_CLASS[kind][1]
    if len(values) != len(fields) + 1:
        reason = f"{kind.__name__} with {len(values) - 1} fields, it has {len(fields)}"
        raise ProtocolError(reason)
    for (name, check), value in zip(fields, values[1:], strict=True):
        if not check(value):
            reason = f"{kind.__name__}.{name} is {_shown(value)}"
            raise ProtocolError(reason)
    return kind(*values[1:])


def _shown(value: object) -> str:
    """Describe a value without repeating it: it may be huge, or a secret."""
    return f"a {type(value).__name__} that is not allowed there"


def _is_value(value: Any, depth: int = 0) -> bool:
    kind = type(value)
    if kind is str or kind is bytes or kind is int or kind is bool or value is None:
        return True
    if kind is float:
        return math.isfinite(value)
    if depth >= DEPTH_MAX:
        return False
    if kind is list:
        return len(value) <= ITEMS_MAX and all(_is_value(item, depth + 1) for item in value)
    if kind is dict:
        return len(value) <= ITEMS_MAX and all(type(key) is str and _is_value(item, depth + 1) for key, item in value.items())
    return False


def _is_float(value: Any) -> bool:
    return (type(value) is float and math.isfinite(value)) or type(value) is int


def _is_remaining(value: Any) -> bool:
    return _is_float(value) and 0 < value <= CALL_DEADLINE_MAX_S


def _is_list(value: Any) -> bool:
    return type(value) is list and _is_value(value)


def _is_map(value: Any) -> bool:
    return type(value) is dict and _is_value(value)


def _check_for(name: str, annotation: Any) -> Check:
    if name == "remaining_s":
        return _is_remaining
    origin = typing.get_origin(annotation)
    if origin is list:
        return _is_list
    if origin is dict:
        return _is_map
    if annotation is float:
        return _is_float
    if annotation in {int, str, bytes, bool}:
        return lambda value: type(value) is annotation
    return _is_value


def _fields_of(kind: type[Message]) -> tuple[tuple[str, Check], ...]:
    hints = typing.get_type_hints(kind)
    return tuple((name, _check_for(name, hints[name])) for name in kind.__dataclass_fields__)


_BY_CLASS = {kind: (number, _fields_of(kind)) for number, kind in enumerate(KINDS)}
