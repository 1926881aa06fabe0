"""Messages to bytes and back: strict, bounded, and the only place that knows msgpack's form of them."""

from __future__ import annotations

import threading
import typing
from typing import Any, Final

import msgpack

from tierhost.ipc import messages
from tierhost.ipc.errors import ProtocolError
from tierhost.ipc.fields import check_for, fault_in
from tierhost.ipc.limits import FRAME_BYTES_MAX, ITEMS_MAX, NAME_CHARS_MAX, TEXT_CHARS_MAX, VALUES_MAX

if typing.TYPE_CHECKING:
    from collections.abc import Iterable

    from tierhost.ipc.messages import Message


class NotInLanguage(TypeError):
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

PACKER_BYTES: Final = 4096
KEPT_BYTES_MAX: Final = 1 << 16
"""What a thread keeps of its last message's space for its next one, at most."""


class _OfThread(threading.local):
    """A packer for each thread: to make one takes longer than to pack a usual message."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Give back what the last message took, and begin anew."""
        self.packer = msgpack.Packer(buf_size=PACKER_BYTES)


_OF_THREAD: Final = _OfThread()


def encode(message: Message) -> bytes:
    """Turn a message into bytes. Raises NotInLanguage for values that cannot travel, or are too large."""
    try:
        tag, fits = _BY_CLASS[type(message)]
    except KeyError:
        reason = f"{type(message).__name__} is no message"
        raise NotInLanguage(reason) from None
    if not fits(*message):
        raise NotInLanguage(_fault(type(message), message))
    try:
        data: bytes = _OF_THREAD.packer.pack((tag, *message))
    except (OverflowError, UnicodeEncodeError, ValueError) as error:
        _OF_THREAD.renew()
        reason = f"{type(message).__name__} cannot carry this: {type(error).__name__}: {_without_content(error)}"
        raise NotInLanguage(reason) from None
    if len(data) > KEPT_BYTES_MAX:
        _OF_THREAD.renew()
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
    if len(values) != len(kind._fields):
        reason = f"{kind.__name__} with {len(values)} fields, it has {len(kind._fields)}"
        raise ProtocolError(reason)
    if not _BY_CLASS[kind][1](*values):
        raise ProtocolError(_fault(kind, values))
    return tuple.__new__(kind, values)


def _fault(kind: type[Message], values: Iterable[Any]) -> str:
    fields = zip(typing.get_type_hints(kind).items(), values, strict=True)
    name, value = next((name, value) for (name, hint), value in fields if not check_for({name: hint})(value))
    return f"{kind.__name__}.{name} {fault_in(value)}"


def legible(text: str, chars_max: int = TEXT_CHARS_MAX) -> str:
    """Make any text fit to travel in a text field: cut, and bytes that are no text (from file names) spelled out."""
    return text[:chars_max].encode("utf-8", "backslashreplace").decode()[:chars_max]


def _unpacked(data: bytes) -> Any:
    size = len(data)
    if size > FRAME_BYTES_MAX:
        reason = f"a frame of {size} bytes, the limit is {FRAME_BYTES_MAX}"
        raise ProtocolError(reason)
    # A list is allocated when its length is read, so no length is believed that the frame cannot hold.
    items_max = min(size, ITEMS_MAX)
    # Only a frame with more bytes than VALUES_MAX can hold more values than that; the others are spared the counting.
    tally = _Tally() if size > VALUES_MAX else None
    try:
        return msgpack.unpackb(
            data,
            strict_map_key=True,
            object_pairs_hook=tally.map_of if tally else _map_of,
            list_hook=tally.list_of if tally else None,
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

    def list_of(self, items: list[Any]) -> list[Any]:
        self._count(len(items))
        return items

    def map_of(self, pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
        self._count(len(pairs))
        return _map_of(pairs)

    def _count(self, values: int) -> None:
        self._left -= values
        if self._left < 0:
            reason = f"more than {VALUES_MAX} values"
            raise ValueError(reason)


def _map_of(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        reason = "a map with the same key twice"
        raise ValueError(reason)
    return made


def _without_content(error: Exception) -> str:
    """Say what went wrong without what was sent: it may be a secret, or huge."""
    return error.reason if isinstance(error, UnicodeDecodeError | UnicodeEncodeError) else str(error)[:NAME_CHARS_MAX]


_BY_CLASS: Final = {kind: (tag, check_for(typing.get_type_hints(kind))) for tag, kind in enumerate(KINDS)}
