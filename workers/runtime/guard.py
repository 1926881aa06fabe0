"""The one place that catches everything: a driver's code may raise what it likes, and only its own call pays for it."""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, Any, NamedTuple

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
    except Exception as error:  # noqa: BLE001  # a driver is other people's code; see the first line of this file
        traceback.print_exc()
        sys.stderr.flush()
        text = f"{what} raised {type(error).__name__}: {error}"[:TEXT_CHARS_MAX]
        return Outcome(error=DriverBug(text, hint="the worker's log has the traceback"))
