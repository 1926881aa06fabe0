"""A client of one host: for the command line, tests, drills and notebooks; follows who is up by itself."""

from __future__ import annotations

import math
import os
import time
from typing import TYPE_CHECKING, Any, Self, TypeVar

from tierhost.ipc.calls import Caller
from tierhost.ipc.codec import NotInLanguage
from tierhost.ipc.endpoints import somebody_listens
from tierhost.ipc.errors import CallError, Code, DeadlineExceeded, OutcomeUnknown, PeerAbsent, TierhostError
from tierhost.ipc.following import LOOK_AGAIN_S, Following
from tierhost.ipc.limits import CALL_DEADLINE_DEFAULT_S
from tierhost.ipc.messages import Event
from tierhost.ipc.orphans import listening_lives
from tierhost.ipc.sockets import Sockets

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from tierhost.ipc.messages import Value
    from tierhost.ipc.paths import Root

Found = TypeVar("Found")

HOST_PATIENCE_S = 1.0
"""How long a question that changes nothing waits for one host before it is asked again: the host may be a new one."""

HOST_CHANGES = frozenset({"worker_restart", "worker_stop", "worker_release", "reload", "shutdown"})
"""What the host is asked once only."""


class Client:
    """Not to be shared between threads. Works through restarts of workers and of the host, and with workers that have none."""

    def __init__(self, root: Root, *, deadline_s: float = CALL_DEADLINE_DEFAULT_S) -> None:
        """Connect to the host of `root`, or, where none runs, to the workers of the last one that are alive.

        Raises PeerAbsent if there is neither, or a host that does not answer. `deadline_s` is for calls that name none.
        """
        hosted = somebody_listens(root.host_socket)
        found = [] if hosted else listening_lives(root)
        if not hosted and not found:
            raise _nobody(root)
        self._root = root
        self._deadline_s = deadline_s
        self._sockets = Sockets()
        self._following = Following(root, self._sockets)
        for entry in found:
            self._following.directory.up(entry)
        self._caller = Caller(self._following.directory, self._following)
        self._hosted = False
        try:
            if not found:
                self._following.look(self.host("directory"))
        except DeadlineExceeded:
            self.close()
            reason = f"the host of {root.run} does not answer"
            raise PeerAbsent(reason, hint="it hangs, or has just died; `tierhost up` starts one") from None
        except TierhostError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every socket."""
        self._caller.close()
        self._sockets.close()

    def call(self, method: str, *args: Value, deadline_s: float | None = None, changes: bool = True, **kwargs: Value) -> Any:
        """Call "driver.method" and return its answer. `deadline_s` counts from now.

        `changes=False` for what may be repeated freely. A change is repeated with its own call id only, so it is done
        once or the error says that nobody knows. Raises TierhostError and its kinds.
        """
        driver, _, name = method.partition(".")
        if not driver or not name:
            reason = f"'{method:.80}' names no method"
            raise CallError(reason, code=Code.INVALID_ARG, hint="say DRIVER.METHOD")
        if driver == "host":
            return self.host(name, *args, deadline_s=deadline_s, **kwargs)
        end_s = self._end_s(deadline_s)
        self._following.take()
        try:
            return self._caller.call(driver, name, args, kwargs, deadline_s=end_s, changes=changes)
        except NotInLanguage as error:
            raise CallError(str(error), code=Code.INVALID_ARG, subject=f"driver {driver}") from None

    def forward(
        self,
        driver: str,
        name: str,
        args: Sequence[Value],
        kwargs: Mapping[str, Value],
        *,
        end_s: float,
        changes: bool,
        call_id: bytes,
        attempt: int,
    ) -> Any:
        """Make somebody else's call, with its own id, until `end_s` (CLOCK_MONOTONIC). Raises TierhostError and its kinds."""
        self._following.take()
        return self._caller.call(
            driver, name, args, kwargs, deadline_s=end_s, changes=changes, call_id=call_id, attempt_first=attempt
        )

    def host(self, method: str, *args: Value, deadline_s: float | None = None, **kwargs: Value) -> Any:
        """Ask the host itself: status, directory, story, events_since, worker_restart, ..., shutdown.

        What changes nothing is asked again when the host was restarted. What does is asked once: OutcomeUnknown when
        the host died with the question. PeerAbsent, at once, if this client has never seen a host.
        """
        if not self._hosted and not somebody_listens(self._root.host_socket):
            raise _nobody(self._root)
        self._hosted = True
        end_s = self._end_s(deadline_s)
        if method in HOST_CHANGES:
            try:
                return self._ask_host(method, args, kwargs, end_s)
            except OutcomeUnknown:
                # ZeroMQ drops a last word that had arrived and was not read yet when the connection ended. But a host
                # that ended in good order takes its socket's name away; one that died does not.
                if method != "shutdown" or self._root.host_socket.exists():
                    raise
                return None
        watched = True
        while True:
            try:
                return self._ask_host(method, args, kwargs, min(end_s, time.monotonic() + HOST_PATIENCE_S), watched=watched)
            except OutcomeUnknown:
                # Ask the next one; and do not look again at a pid that may be the dead one's still.
                watched = False
            except DeadlineExceeded:
                if time.monotonic() >= end_s:
                    raise

    def _end_s(self, deadline_s: float | None) -> float:
        return time.monotonic() + (self._deadline_s if deadline_s is None else deadline_s)

    def _ask_host(
        self, method: str, args: tuple[Value, ...], kwargs: dict[str, Value], end_s: float, *, watched: bool = True
    ) -> Any:
        host_fd = self._host_fd() if watched else -1
        try:
            return self._following.ask(method, args, kwargs, end_s, host_fd)
        finally:
            if host_fd >= 0:
                os.close(host_fd)

    def _host_fd(self) -> int:
        """Return a pidfd of the host, or -1 if it is not to be had: then its death shows at the deadline only."""
        try:
            return os.pidfd_open(int(self._root.lock.read_text(encoding="ascii")))
        except (OSError, ValueError):
            return -1

    # What happens.

    def events(self, since: int = 0, *, follow: bool = False, timeout_s: float | None = None) -> Generator[Event, None, None]:
        """Yield the kept events after number `since`, then, with `follow`, what happens from now on (for `timeout_s`)."""
        end_s = math.inf if timeout_s is None else time.monotonic() + timeout_s
        with self._following.heard() as heard:
            last = since
            for event in self._kept(since):
                last = event.number
                yield event
            while follow and time.monotonic() < end_s:
                for event in self._gapless(heard, last):
                    last = event.number
                    yield event
                self._following.wait(min(LOOK_AGAIN_S, end_s - time.monotonic()))

    def _gapless(self, heard: deque[Event], last: int) -> Iterator[Event]:
        """Yield what was heard after number `last`, and what was not heard but kept by the host."""
        while heard:
            event = heard.popleft()
            missed = self._kept(last) if event.number > last + 1 else iter(())
            for each in (*missed, event):
                if each.number > last:
                    last = each.number
                    yield each

    def _kept(self, since: int) -> Iterator[Event]:
        for row in self.host("events_since", since):
            yield Event(**row)

    def wait_until(self, condition: Callable[[], Found | None], what: str, *, deadline_s: float | None = None) -> Found:
        """Return the condition's first true value; it is looked at again whenever something happens.

        Raises DeadlineExceeded, which says `what` was waited for.
        """
        end_s = self._end_s(deadline_s)
        while True:
            found = condition()
            if found:
                return found
            remaining_s = end_s - time.monotonic()
            if remaining_s <= 0:
                reason = f"this did not come about in time: {what}"
                raise DeadlineExceeded(reason, subject="host", hint="`tierhost status` shows how things are")
            self._following.wait(min(LOOK_AGAIN_S, remaining_s))


def _nobody(root: Root) -> PeerAbsent:
    return PeerAbsent(f"no host runs on {root.run}", hint="`tierhost up` starts one")
