"""What fits into a message and what does not: every limit from both sides, and errors that say where."""

from __future__ import annotations

import math
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings

from tests.unit.ipc.words import VALUES, refused, request
from tierhost.ipc.codec import KINDS, NotInLanguage, decode, encode
from tierhost.ipc.fields import is_value
from tierhost.ipc.limits import (
    CALL_DEADLINE_MAX_S,
    CALL_ID_BYTES_MAX,
    DEPTH_MAX,
    FRAME_BYTES_MAX,
    ITEMS_MAX,
    NAME_CHARS_MAX,
    TEXT_CHARS_MAX,
)
from tierhost.ipc.messages import Hello, Leave, Message, Reply, Request


def nested(depth: int) -> Any:
    """Nest lists, `depth` of them."""
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


def mapped(items: int) -> Any:
    """Map so many names to nothing."""
    return dict.fromkeys(map(str, range(items)))


# Limits, each from both sides.


@pytest.mark.parametrize("remaining_s", [0, 0.0, -1.0, CALL_DEADLINE_MAX_S + 1, math.nan, math.inf, True, None, "5"])
def test_a_remaining_time_is_above_zero_and_has_a_maximum(remaining_s: Any) -> None:
    with pytest.raises(NotInLanguage, match="remaining_s"):
        encode(request(remaining_s=remaining_s))
    fields = msgpack.unpackb(encode(request()))
    fields[1 + Request._fields.index("remaining_s")] = remaining_s
    assert "remaining_s" in refused(msgpack.packb(fields))


@pytest.mark.parametrize(
    ("longest", "too_long"),
    [
        (request("m" * NAME_CHARS_MAX), request("m" * (NAME_CHARS_MAX + 1))),
        (Leave("r" * TEXT_CHARS_MAX), Leave("r" * (TEXT_CHARS_MAX + 1))),
        (request(call_id=b"c" * CALL_ID_BYTES_MAX), request(call_id=b"c" * (CALL_ID_BYTES_MAX + 1))),
        (request(call_id=b"c"), request(call_id=b"")),
        (Reply(b"x", 1, [None] * ITEMS_MAX), Reply(b"x", 1, [None] * (ITEMS_MAX + 1))),
        (Reply(b"x", 1, mapped(ITEMS_MAX)), Reply(b"x", 1, mapped(ITEMS_MAX + 1))),
        (Reply(b"x", 1, nested(DEPTH_MAX)), Reply(b"x", 1, nested(DEPTH_MAX + 1))),
        (Reply(b"x", 1, [[None] * (ITEMS_MAX - 2)] * 4), Reply(b"x", 1, [[None] * ITEMS_MAX] * 4)),
        (Reply(b"x", 1, 2**64 - 1), Reply(b"x", 1, 2**64)),
        (Reply(b"x", 1, -(2**63)), Reply(b"x", 1, -(2**63) - 1)),
        (Reply(b"x", 0, None), Reply(b"x", -1, None)),
        (Reply(b"x", 1, b"v" * (FRAME_BYTES_MAX - 100)), Reply(b"x", 1, b"v" * FRAME_BYTES_MAX)),
    ],
    ids=["name", "text", "call id", "no call id", "list", "map", "depth", "values", "int", "negative", "number", "frame"],
)
def test_the_largest_of_each_kind_travels_and_one_more_does_not(longest: Message, too_long: Message) -> None:
    assert decode(encode(longest)) == longest
    with pytest.raises(NotInLanguage):
        encode(too_long)
    if not isinstance(too_long, Reply) or type(too_long.value) is not int:
        values = list(too_long)
        refused(msgpack.packb([KINDS.index(type(too_long)), *values]))


# Errors say where, and never what.


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"disks": [{"keys": {1, 2}}]}, "value at 'disks' at 0 at 'keys' is a set"),
        ([1, (2, 3)], "value at 1 is a tuple"),
        ({"a": {2: 3}}, "value at 'a' has a key that is no text"),
        ([0, "x", object()], "value at 2 is a object"),
        ("\ud800", "surrogates"),
        (memoryview(b"x"), "is a memoryview"),
    ],
)
def test_a_value_that_cannot_travel_is_named_by_its_place(value: Any, where: str) -> None:
    with pytest.raises(NotInLanguage, match=where):
        encode(Reply(b"x", 1, value))


def test_a_refused_value_is_never_repeated() -> None:
    secret = "correct horse battery staple"
    for value in ([secret, {1}], {"k": [secret, object()]}, {"deep": {secret.encode(): 1}}):
        with pytest.raises(NotInLanguage) as caught:
            encode(Reply(b"x", 1, value))  # type: ignore[arg-type]  # that is the point
        assert secret not in str(caught.value)
    assert secret not in refused(msgpack.packb([KINDS.index(Hello), secret, secret, secret, secret]))


def test_a_value_that_contains_itself_is_refused_in_bounded_time() -> None:
    loop: list[Any] = []
    loop.append(loop)
    laughs: Any = ["ha"] * 1000
    for _ in range(DEPTH_MAX - 1):
        laughs = [laughs] * 1000
    for value in (loop, laughs):
        assert not is_value(value)
        with pytest.raises(NotInLanguage):
            encode(Reply(b"x", 1, value))


@settings(max_examples=100, deadline=None)
@given(VALUES)
def test_the_check_agrees_with_encode(value: Any) -> None:
    assert is_value(value)
    encode(Reply(b"x", 1, value))
