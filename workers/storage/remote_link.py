"""The way to one pool's remote storage: an envoy, what it last said, and how long that is believed."""

from __future__ import annotations

import errno
import os
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.runtime.contract import DriverError
from tierhost.workers.storage.acts import Unanswered
from tierhost.workers.storage.backend import Effort

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.workers.runtime.contract import Code
    from tierhost.workers.storage.backend import Facts
    from tierhost.workers.storage.envoy import Envoy
    from tierhost.workers.storage.pool_xml import PoolDefinition
    from tierhost.workers.storage.registry import Pool

FRESH_S: Final = 1.0
"""How long a good answer is taken as proof that the next call will be answered, too."""

SILENT_S: Final = 2.0
"""How long after a call that was not answered others are refused at once, instead of waiting for the same silence."""

GRACE_S: Final = 1.0
"""How much longer than the library's own time-outs a question waits, so that the library's word comes first."""

UNREACHED: Final = {
    errno.ETIMEDOUT: "does not answer",
    errno.ECONNREFUSED: "does not answer: nobody listens there",
    errno.EHOSTUNREACH: "does not answer: there is no way to it",
}

Reasons = dict[int, "tuple[str, Code, str]"]
"""By errno: what it means for a volume, its code, a hint."""


class RemoteLink:
    """Counts what storage answers. Thread-safe. A kind of storage adds what its refusals mean."""

    def __init__(self, envoy: Envoy, place: str, limit_s: float) -> None:
        self.place = place
        self._envoy = envoy
        self._limit_s = limit_s
        self._lock = threading.Lock()
        self._answered_s = 0.0
        self._trouble = ""
        self._trouble_s = 0.0
        self.refused = False
        """Set by `refusal`: the next call asks for the key anew and connects with it."""

    def refusal(self, error: OSError) -> DriverError | None:
        """Put into words what is refused before any volume is looked at; None for what is about a volume."""
        raise NotImplementedError

    def is_usable(self) -> bool:
        """Not when the process is dead, or its key was refused: the next one asks for the key as it is then."""
        return not self.refused and self._envoy.is_usable()

    def close(self) -> None:
        """End the process."""
        self._envoy.close()

    def call(self, method: str, effort: Effort, data: bytes = b"", **arguments: Any) -> Any:
        """Make one call; returns its bytes if it has any, else its answer.

        Raises OSError as the volume or its pool gives it, Unanswered, and DriverError for what is wrong with server or key.
        """
        try:
            answer, payload = self._envoy.call(method, effort, data, **arguments)
        except OSError as error:
            if error.errno in UNREACHED:
                raise Unanswered(self._note_trouble(f"{self.place} {UNREACHED[error.errno]}")) from None
            refusal = self.refusal(error)
            if refusal is not None:
                raise refusal from None
            self._note_answer()
            raise
        except Unanswered as error:
            self._note_trouble(f"{self.place}: {error.text}")
            raise
        self._note_answer()
        return payload if method == "read" else answer

    def trouble(self, deadline_s: float) -> str:
        """Say what is wrong with the storage. Asks it, unless it answered or failed to a moment ago."""
        now_s = time.monotonic()
        with self._lock:
            if self._trouble and now_s - self._trouble_s < SILENT_S:
                return self._trouble
            if not self._trouble and now_s - self._answered_s < FRESH_S:
                return ""
            if self._trouble:
                self._trouble_s = now_s  # one asks; whoever comes meanwhile is told what was last known
        self.ask_now(deadline_s)
        return self._trouble

    def ask_now(self, deadline_s: float) -> None:
        """Ask the storage whether it is there. Raises DriverError only for a key or a place that is refused."""
        try:
            self.call("ping", Effort(min(deadline_s, time.monotonic() + self._limit_s * 2 + GRACE_S)))
        except OSError as error:
            self._note_trouble(failure(error))
        except Unanswered:
            return  # noted

    def _note_answer(self) -> None:
        with self._lock:
            self._answered_s, self._trouble = time.monotonic(), ""

    def _note_trouble(self, text: str) -> str:
        with self._lock:
            self._trouble, self._trouble_s = text, time.monotonic()
        return text


def start_by_answer(definition: PoolDefinition, effort: Effort, hint: str) -> Facts:
    """Start a pool of which nothing is on this machine: that its storage answers, and lets us in, is all that it means."""
    link = effort.link_as(RemoteLink)
    try:
        link.ask_now(effort.deadline_s)
        trouble = link.trouble(effort.deadline_s)
    except DriverError as error:
        error.subject = error.subject or f"pool {definition.name}"
        raise
    if trouble:
        raise DriverError(trouble, subject=f"pool {definition.name}", hint=hint)
    return {}


def trouble_by_answer(effort: Effort) -> str:
    """Say what the last answer was, or the next one is."""
    if effort.link is None:
        return "its storage is not connected"
    try:
        return effort.link_as(RemoteLink).trouble(effort.deadline_s)
    except DriverError as error:
        return f"{error.text}; {error.hint}"


def ask_about(
    reasons: Mapping[int, tuple[str, Code, str]],
    pool: Pool,
    method: str,
    effort: Effort,
    data: bytes = b"",
    *,
    changes: bool = False,
    **arguments: Any,
) -> Any:
    """Ask the envoy about a volume. Silence in a change may still be followed by the deed; in a question it is only silence.

    Raises FileNotFoundError, FileExistsError, or DriverError.
    """
    try:
        return effort.link_as(RemoteLink).call(method, effort, data, **arguments)
    except (FileNotFoundError, FileExistsError):
        raise
    except Unanswered as error:
        if changes:
            raise
        raise DriverError(error.text, code=error.code, subject=pool.subject, hint=error.hint) from None
    except OSError as error:
        text, code, hint = reasons.get(error.errno or 0, (failure(error), DriverError.code, ""))
        raise DriverError(text, code=code, hint=hint) from None


def failure(error: OSError) -> str:
    """The library's word."""
    return error.strerror or os.strerror(error.errno or 0)
