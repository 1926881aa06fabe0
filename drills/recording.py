"""Makes calls on a target and keeps each as it went, in JSON's terms: what becomes the `calls` of a history."""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.history import ANSWERED, FAILED, UNKNOWN, Call
from tierhost.drills.targets import NoAnswer
from tierhost.ipc.errors import TierhostError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierhost.drills.plan import Ask
    from tierhost.drills.targets import Target

CALLS_MAX: Final = 200_000
TEXT_CHARS_MAX: Final = 500


def jsonable(value: Any) -> Any:
    """Put a value into JSON's terms. Bytes become their digest: no secret stands in a history."""
    if isinstance(value, bytes | bytearray):
        return "sha256:" + hashlib.sha256(value).hexdigest()
    if isinstance(value, dict):
        return {str(key): jsonable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(each) for each in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


@dataclass(slots=True)
class Recorder:
    """Shared by every thread that calls. `listeners` hear of each own call of the drill just before it is made."""

    target: Target
    listeners: list[Callable[[Ask], None]] = field(default_factory=list)
    _calls: dict[int, Call] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def make(self, ask: Ask, *, load: bool = False) -> tuple[Call, Any]:
        """Make one call; return how it went, and the answer as it came. Raises nothing for a call that fails."""
        if not load:
            for listener in self.listeners:
                listener(ask)
        call = self._begin(ask, load=load)
        answer: Any = None
        try:
            answer = self.target.ask(ask)
        except NoAnswer as error:
            done = _ended(call, UNKNOWN, error.__cause__ if isinstance(error.__cause__, TierhostError) else error)
        except TierhostError as error:
            done = _ended(call, FAILED, error)
        else:
            done = replace(call, end_s=time.monotonic(), outcome=ANSWERED, value=jsonable(answer))
        with self._lock:
            self._calls[call.number] = done
        return done, answer

    def _begin(self, ask: Ask, *, load: bool) -> Call:
        with self._lock:
            number = len(self._calls) + 1
            args = tuple(jsonable(ask.args))
            call = Call(number, ask.method, args, time.monotonic(), ask.deadline_s, load=load, refused=ask.refused)
            self._calls[number] = call
        return call

    def full(self) -> bool:
        """Whether the load should stop: a history has a limit."""
        return len(self._calls) >= CALLS_MAX

    def calls(self) -> tuple[Call, ...]:
        """Return every call so far; one that is under way has no end."""
        with self._lock:
            return tuple(self._calls.values())


def _ended(call: Call, outcome: str, error: TierhostError) -> Call:
    return replace(
        call,
        end_s=time.monotonic(),
        outcome=outcome,
        kind=type(error).__name__,
        code=int(error.code),
        text=str(error)[:TEXT_CHARS_MAX],
    )
