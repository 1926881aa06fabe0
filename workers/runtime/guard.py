"""The one place that catches everything: a driver's code may raise what it likes, and only its own call pays for it."""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, Any, NamedTuple

from tierhost.ipc.codec import legible
from tierhost.ipc.errors import DriverBug, TierhostError

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT_CHARS_MAX = 500


class Outcome(NamedTuple):
    """A value, or the error that took its place."""

    value: Any = None
    error: TierhostError | None = None


def guarded(what: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Outcome:
    """Run driver code. What it raises on purpose stays what it is; anything else becomes a DriverBug.

    The traceback goes to the worker's log; the error has class and message only.
    """
    try:
        return Outcome(function(*args, **kwargs))
    except TierhostError as error:
        return Outcome(error=error)
    except BaseException as error:  # noqa: BLE001  # a driver is other people's code, and sys.exit() ends its call, not a thread
        traceback.print_exc()
        sys.stderr.flush()
        text = legible(f"{what} raised {type(error).__name__}: {_words_of(error)}", TEXT_CHARS_MAX)
        return Outcome(error=DriverBug(text, hint="the worker's log has the traceback"))


def _words_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as worse:  # noqa: BLE001  # how an error puts itself into words is the driver's code, too
        return f"and has no words for it ({type(worse).__name__})"
