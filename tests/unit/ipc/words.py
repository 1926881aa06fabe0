"""Makes messages for tests: any legal one (hypothesis), and short forms of those that tests write by hand."""

from __future__ import annotations

import typing
from typing import Any

import pytest
from hypothesis import strategies as st

from tierhost.ipc.codec import KINDS, decode
from tierhost.ipc.errors import ProtocolError
from tierhost.ipc.fields import NAMES
from tierhost.ipc.limits import CALL_DEADLINE_MAX_S, CALL_ID_BYTES_MAX, NAME_CHARS_MAX
from tierhost.ipc.messages import Message, Request, Value

SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(max_size=40)
LEAVES = SCALARS | TEXTS | st.binary(max_size=40)
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=12
)

_BY_TYPE: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(0, 2**63 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    str: TEXTS,
    bytes: st.binary(min_size=1, max_size=CALL_ID_BYTES_MAX),
    bool: st.booleans(),
}


def _field(name: str, annotation: Any) -> st.SearchStrategy[Any]:
    if name == "remaining_s":
        return st.floats(1e-6, CALL_DEADLINE_MAX_S)
    if name in NAMES:
        return st.text(max_size=NAME_CHARS_MAX)
    origin = typing.get_origin(annotation)
    if origin is list:
        return st.lists(VALUES, max_size=4)
    if origin is dict:
        return st.dictionaries(TEXTS, VALUES, max_size=4)
    return _BY_TYPE.get(annotation, VALUES)


def _of(kind: type[Message]) -> st.SearchStrategy[Message]:
    hints = typing.get_type_hints(kind)
    return st.builds(kind, **{name: _field(name, hints[name]) for name in kind._fields})


MESSAGES: st.SearchStrategy[Message] = st.sampled_from(KINDS).flatmap(_of)


def request(method: str = "echo", *args: Value, **fields: Any) -> Request:
    """Make a Request; `fields` are the message's, what is not given is plain."""
    plain: dict[str, Any] = {
        "call_id": b"call",
        "incarnation": 1,
        "kwargs": {},
        "remaining_s": 5.0,
        "caller": "",
        "caller_incarnation": 0,
        "attempt": 1,
    }
    return Request(method=method, args=list(args), **{**plain, **fields})


def refused(data: bytes) -> str:
    """Decode what must not be decodable, and return why it was refused."""
    with pytest.raises(ProtocolError) as caught:
        decode(data)
    return caught.value.text
