"""A live connection: ways that calls borrow, and a thread that greets the other side, notices its loss, and tries again."""

from __future__ import annotations

import os
import select
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.remote.state import RETRY_FIRST_S, next_pause
from tierhost.workers.runtime.contract import Busy, CallError, Code, DriverError, PeerAbsent, TierhostError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tierhost.workers.remote.state import Definition
    from tierhost.workers.runtime.abroad import Way

CALLS_MAX: Final = 16
"""Calls over one connection at once; the next one is refused as Busy. It is what a door lets one key have."""

IDLE_WAYS_MAX: Final = 4
GREET_S: Final = 2.0
"""So long the other side may take to answer a greeting; a hung one is lost after this."""

GREET_EVERY_S: Final = 1.0
GRACE_S: Final = 2.0
"""So long after a loss a call waits for the other side's return; later it is refused at once."""


CONNECTING: Final = "connecting"
CONNECTED: Final = "connected"
LOST: Final = "lost"
STILL_LOST: Final = "still lost"


class Link:
    """One open connection. `tell(self, news)` is called when the other side is reached, lost, or lost for another reason."""

    def __init__(self, definition: Definition, make_way: Callable[[], Way], tell: Callable[[Link, str], None]) -> None:
        self.definition = definition
        self.state = CONNECTING
        self.reason = "not reached yet"
        self._make_way = make_way
        self._tell = tell
        self._idle: list[Way] = []
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._lost_s = 0.0
        self._calls = 0
        self._ended = False
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._watch, name=f"watch-{definition.name}", daemon=True)

    @property
    def subject(self) -> str:
        """How it is named."""
        return self.definition.subject

    def reach(self, end_s: float) -> None:
        """Greet the other side once. Raises CallError: it is not there, or does not let us in."""
        way = self._make_way()
        try:
            way.greet(end_s)
        finally:
            way.close()

    def start(self, *, reached: bool) -> None:
        """Watch over it from now on. `reached`: it has just been greeted."""
        if reached:
            self.state, self.reason = CONNECTED, ""
        self._thread.start()

    def call(
        self, method: str, args: Sequence[Any], kwargs: Mapping[str, Any], *, call_id: bytes, end_s: float, changes: bool
    ) -> Any:
        """Call there. Raises what was raised there, and PeerAbsent while the other side is lost: at once, if that is no news."""
        self._wait_for_return(end_s)
        if self.state == LOST:
            hint = "it is tried again and again; event remote-connected tells when it is back"
            raise PeerAbsent(f"the other side is lost: {self.reason}", subject=self.subject, hint=hint)
        with self._borrowed() as way:
            return way.ask(method, args, kwargs, call_id=call_id, end_s=end_s, changes=changes)

    def _wait_for_return(self, end_s: float) -> None:
        """Wait for who has just been lost: a worker that is killed is back within milliseconds."""
        if self.state == LOST:
            with self._changed:
                remaining_s = min(end_s, self._lost_s + GRACE_S) - time.monotonic()
                self._changed.wait_for(lambda: self.state != LOST or self._ended, max(0.0, remaining_s))

    @contextmanager
    def _borrowed(self) -> Iterator[Way]:
        with self._lock:
            if self._ended:
                raise closed(self.subject)
            if self._calls >= CALLS_MAX:
                raise Busy("too many calls are under way over it", subject=self.subject, hint="wait for answers first")
            self._calls += 1
            way = self._idle.pop() if self._idle else None
        keep = False
        try:
            way = way or self._make_way()
            try:
                yield way
            except CallError:
                raise
            except TierhostError:
                keep = True
                raise
            keep = True
        finally:
            with self._lock:
                self._calls -= 1
                keep = keep and not self._ended and len(self._idle) < IDLE_WAYS_MAX
                if keep and way is not None:
                    self._idle.append(way)
            if way is not None and not keep:
                way.close()

    # The thread that watches.

    def _watch(self) -> None:
        pause_s = RETRY_FIRST_S
        while not self._ended:
            way = None
            try:
                way = self._make_way()
                while not self._ended:
                    way.greet(time.monotonic() + GREET_S)
                    self._found()
                    pause_s = RETRY_FIRST_S
                    way.linger(GREET_EVERY_S, self._wake_fd)
            except TierhostError as error:
                self._missed(error.text)
            except OSError as error:
                self._missed(str(error))
            finally:
                if way is not None:
                    way.close()
            self._rest(pause_s)
            pause_s = next_pause(pause_s)
        self._close_wake_fd()

    def _close_wake_fd(self) -> None:
        with self._lock:
            os.close(self._wake_fd)
            self._wake_fd = -1

    def _found(self) -> None:
        if self.state != CONNECTED and not self._ended:
            with self._changed:
                self.state, self.reason = CONNECTED, ""
                self._changed.notify_all()
            self._tell(self, CONNECTED)

    def _missed(self, reason: str) -> None:
        before, self.reason = self.reason, reason
        if (self.state != LOST or before != self.reason) and not self._ended:
            self._drop_idle()
            news = STILL_LOST if self.state == LOST else LOST
            if news == LOST:
                self._lost_s = time.monotonic()
            self.state = LOST
            self._tell(self, news)

    def _rest(self, seconds: float) -> None:
        if not self._ended:
            select.select([self._wake_fd], [], [], seconds)

    def _drop_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for way in idle:
            way.close()

    def close(self) -> None:
        """Let go of the other side. Calls under way end at their own deadline."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
            self._changed.notify_all()
            if self._thread.ident is not None and self._wake_fd >= 0:
                os.eventfd_write(self._wake_fd, 1)
        self._drop_idle()
        if self._thread.ident is None:
            self._close_wake_fd()

    def is_over(self, wait_s: float) -> bool:
        """Whether nothing of it is under way any more, after `close`; waits for its thread."""
        if self._thread.ident is not None:
            self._thread.join(wait_s)
        return not self._thread.is_alive() and not self._calls


def closed(subject: str) -> DriverError:
    """Say that a connection is not open."""
    return DriverError(
        "the connection is not open", code=Code.INVALID_CONN, subject=subject, hint="`tierhost call remote.connect_open NAME`"
    )
