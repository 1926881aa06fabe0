"""What was encoded is decoded; what was not is refused, whatever it is."""

from __future__ import annotations

import math
import tracemalloc

import msgpack
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.ipc.words import MESSAGES, VALUES, refused, request
from tierhost.ipc import messages
from tierhost.ipc.codec import KINDS, NotInLanguage, decode, encode, legible
from tierhost.ipc.errors import ProtocolError
from tierhost.ipc.limits import (
    TEXT_CHARS_MAX,
)
from tierhost.ipc.messages import Event, Failure, Leave, Message, Perform, Reply

BUDGET = settings(max_examples=100, deadline=None)
REPLY_TAG = KINDS.index(Reply)


LARGE_MAP = b"\xde\x30\x00" + b"".join(b"\xa4%04x\x80" % n for n in range(0x3000))


def reply_frame(value_bytes: bytes) -> bytes:
    """Make the frame of a Reply whose value is these bytes, legal or not."""
    return b"\x94" + bytes([REPLY_TAG]) + b"\xc4\x01x" + b"\x01" + value_bytes


# Round trips.


@BUDGET
@given(MESSAGES)
def test_what_was_encoded_is_decoded(message: Message) -> None:
    assert decode(encode(message)) == message


@BUDGET
@given(MESSAGES)
def test_types_survive_the_journey(message: Message) -> None:
    back = decode(encode(message))
    assert repr(back) == repr(message)


def test_every_message_of_the_vocabulary_has_a_tag() -> None:
    declared = {kind for kind in vars(messages).values() if isinstance(kind, type) and hasattr(kind, "_fields")}
    assert declared == set(KINDS)
    assert len(KINDS) == len(set(KINDS))


def test_a_whole_number_is_welcome_where_a_float_is_declared() -> None:
    assert decode(encode(Perform(1, "state_initialize", 5))) == Perform(1, "state_initialize", 5)


# Garbage.


@BUDGET
@given(st.binary(max_size=200))
@example(b"")
@example(b"\xc1")
@example(b"\x91\xd6\xff\x00\x00\x00\x00")
def test_garbage_is_refused_and_nothing_else(data: bytes) -> None:
    try:
        again = decode(data)
    except ProtocolError:
        return
    assert decode(encode(again)) == again


@BUDGET
@given(MESSAGES, st.data())
def test_a_mutated_frame_is_a_message_or_refused(message: Message, data: st.DataObject) -> None:
    frame = bytearray(encode(message))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(frame) - 1))
        if data.draw(st.booleans()):
            frame[place] = data.draw(st.integers(0, 255))
        else:
            del frame[place]
        if not frame:
            break
    try:
        again = decode(bytes(frame))
    except ProtocolError:
        return
    assert decode(encode(again)) == again


@BUDGET
@given(MESSAGES, st.data())
def test_a_field_of_another_type_is_refused_or_legal_too(message: Message, data: st.DataObject) -> None:
    fields = msgpack.unpackb(encode(message))
    place = data.draw(st.integers(0, len(fields) - 1))
    fields[place] = data.draw(VALUES)
    try:
        again = decode(msgpack.packb(fields))
    except ProtocolError:
        return
    assert decode(encode(again)) == again


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("more", [-1, 1])
def test_a_message_with_a_field_too_few_or_too_many_is_refused(kind: type[Message], more: int) -> None:
    count = len(kind._fields) + more
    assert kind.__name__ in refused(msgpack.packb([KINDS.index(kind), *[None] * count]))


@pytest.mark.parametrize("tag", [len(KINDS), -1, True, "Reply", None, 1.0])
def test_an_unknown_tag_is_refused(tag: object) -> None:
    assert "no known kind" in refused(msgpack.packb([tag, b"x", 1, None]))


@pytest.mark.parametrize("frame", [{}, 3, None, [], "text", b"bytes"])
def test_a_frame_that_is_no_list_is_refused(frame: object) -> None:
    assert "no known kind" in refused(msgpack.packb(frame))


def test_bytes_after_the_message_are_refused() -> None:
    assert "not a message" in refused(encode(Leave("go")) + b"\x00")


def test_a_truncated_message_is_refused_at_every_length() -> None:
    frame = encode(request("echo", {"deep": [1, "two", 3.0]}))
    for length in range(len(frame)):
        refused(frame[:length])


@pytest.mark.parametrize(
    "value",
    [b"\xd4\x05x", b"\xc7\x00\x05", b"\xd6\xff\x00\x00\x00\x00", b"\xc7\x0c\xff" + bytes(12), b"\xc7\x03\x01abc"],
    ids=["fixext", "empty ext", "timestamp 32", "timestamp 96", "ext 8"],
)
def test_extension_types_are_refused(value: bytes) -> None:
    refused(reply_frame(value))


@pytest.mark.parametrize(
    "value",
    [b"\x81\x01\x01", b"\x81\xc4\x01k\x01", b"\x81\xc0\x01", b"\x81\xcb" + bytes(8) + b"\x01", b"\x81\x90\x01"],
    ids=["int", "bytes", "nil", "float", "list"],
)
def test_a_map_key_that_is_no_text_is_refused(value: bytes) -> None:
    refused(reply_frame(value))


def test_a_map_with_the_same_key_twice_is_refused() -> None:
    assert "twice" in refused(reply_frame(b"\x82\xa1a\x01\xa1a\x02"))


def test_text_that_is_not_utf8_is_refused_without_repeating_it() -> None:
    assert "hunter2" not in refused(reply_frame(b"\xa9hunter2\xff\xff"))


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_refused_on_both_sides(number: float) -> None:
    with pytest.raises(NotInLanguage):
        encode(Reply(b"x", 1, [number]))
    refused(msgpack.packb([REPLY_TAG, b"x", 1, {"deep": [number]}]))
    refused(msgpack.packb([KINDS.index(Event), 1, number, "host", 0, "phase", "", {}]))


# Memory.


@pytest.mark.slow
def test_a_small_frame_cannot_become_large_in_memory() -> None:
    bombs = {
        "declared lengths": b"\xdd\x00\x01\x00\x00" * 1000,
        "empty lists": reply_frame(b"\xdd\x00\x01\x00\x00" + (b"\xdd\x00\x01\x00\x00" + b"\x90" * 65536) * 5),
        "nesting": b"\x91" * 100_000,
        "empty maps": reply_frame(b"\xdf\x00\x00\x00\x19" + b"".join(b"\xa2%02d" % n + LARGE_MAP for n in range(25))),
    }
    tracemalloc.start()
    try:
        for frame in bombs.values():
            refused(frame)
            # Pointers to nothing are reserved for declared lengths; objects are not made.
            assert tracemalloc.get_traced_memory()[1] < 48 << 20
            tracemalloc.reset_peak()
    finally:
        tracemalloc.stop()


def test_what_is_no_message_is_not_encoded() -> None:
    with pytest.raises(NotInLanguage, match="str is no message"):
        encode("Leave")  # type: ignore[arg-type]  # that is the point


@given(st.text(st.characters(exclude_categories=[]), max_size=50))
def test_any_text_can_be_made_legible(text: str) -> None:
    failure = Failure(b"x", 1, "DriverError", 1, legible(text), "", "")
    assert decode(encode(failure)) == failure


def test_a_legible_text_that_was_legible_is_unchanged_and_never_too_long() -> None:
    assert legible("pool 'images' ✓") == "pool 'images' ✓"
    assert len(legible("\udcff" * TEXT_CHARS_MAX)) == TEXT_CHARS_MAX
