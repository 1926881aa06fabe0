"""Errors on their way: an exception as a Failure, and back."""

from __future__ import annotations

from tierhost.ipc.codec import legible
from tierhost.ipc.errors import KINDS, CallError, Code, TierhostError
from tierhost.ipc.messages import Failure


def error_of(failure: Failure) -> TierhostError:
    """Turn a Failure into the exception it stands for. A kind or code nobody knows stays an error all the same."""
    kind = KINDS.get(failure.kind, CallError)
    try:
        code = Code(failure.code)
    except ValueError:
        code = Code.INTERNAL_ERROR
    return kind(failure.text, code=code, subject=failure.subject, hint=failure.hint)


def failure_of(error: TierhostError, call_id: bytes, incarnation: int) -> Failure:
    """Turn an exception into the message that carries it. Whatever its texts are, it can be encoded."""
    kind = next((base.__name__ for base in type(error).__mro__ if base.__name__ in KINDS), CallError.__name__)
    return Failure(call_id, incarnation, kind, int(error.code), legible(error.text), legible(error.subject), legible(error.hint))
