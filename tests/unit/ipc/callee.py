"""Fake callees: one life each, a thread with a real gate that says what the test tells it to."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any, TypeAlias

from tierhost.ipc.codec import decode, encode
from tierhost.ipc.directory import Entry
from tierhost.ipc.messages import Answer, Reply, Request
from tierhost.ipc.sockets import Poller
from tierhost.ipc.wires import Gate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tierhost.ipc.calls import Caller

Say: TypeAlias = "Callable[[Request], Iterable[Answer | bytes]]"
"""What to answer to a request: messages, or bytes that are none."""

SOON_S = 0.05
PATIENCE_S = 10.0
AT_ONCE_S = 2.0
"""Far below PATIENCE_S: what takes less did not wait for a deadline."""

NEVER_A_PID = 0
"""For lives whose death the kernel is not to tell: they are threads of this very process."""


def echo(request: Request) -> list[Answer]:
    """Answer with what was sent."""
    return [Reply(request.call_id, request.incarnation, request.args[0] if request.args else None)]


def silence(_: Request) -> list[Answer]:
    """Never answer."""
    return []


class FakeCallee:
    """Serves until `stop`. `heard` are the requests that came, `came` tells each of them."""

    def __init__(self, folder: Path, say: Say = echo, *, incarnation: int = 1) -> None:
        self.heard: list[Request] = []
        self.came = threading.Semaphore(0)
        self.say = say
        self._door = Gate(folder / f"storage.{incarnation}")
        self.entry = Entry("storage", incarnation, self._door.path, NEVER_A_PID)
        self._end_fd = os.eventfd(0)
        self._poller = Poller()
        self._poller.register(self._door)
        self._poller.register_fd(self._end_fd)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            ready = self._poller.poll(60)
            if self._end_fd in ready:
                return
            while (arrived := self._door.receive()) is not None:
                request = decode(arrived[2])
                if isinstance(request, Request):
                    self.heard.append(request)
                    self.came.release()
                    for answer in self.say(request):
                        self._door.send(arrived[0], answer if isinstance(answer, bytes) else encode(answer))

    def stop(self) -> None:
        """End as a process does: no answer, no path."""
        if self._thread.is_alive():
            os.eventfd_write(self._end_fd, 1)
            self._thread.join(10)
            self._poller.close()
            self._door.close()
            os.close(self._end_fd)


def call(caller: Caller, method: str = "echo", *args: Any, within_s: float = PATIENCE_S, **more: Any) -> Any:
    """Call the fake callee; `changes` is for the caller, the rest for the callee."""
    changes = more.pop("changes", False)
    return caller.call("storage", method, args, more, deadline_s=time.monotonic() + within_s, changes=changes)


def later(work: Callable[..., object], *args: object) -> threading.Timer:
    """Do something soon, in a thread of its own."""
    timer = threading.Timer(SOON_S, work, args)
    timer.start()
    return timer
