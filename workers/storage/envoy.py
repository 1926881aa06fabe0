"""A process of its own that speaks a library's language for one pool: what hangs or crashes in there costs only that pool."""

from __future__ import annotations

import base64
import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
import weakref
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.runtime.contract import Code, DriverError
from tierhost.workers.storage.acts import Unanswered
from tierhost.workers.storage.envoy_frames import receive, send

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.workers.storage.backend import Effort

CALLS_MAX: Final = 32
"""Calls under way at once; more are refused, so that a silent pool never gathers threads without end."""

BEAT_LIMIT_S: Final = 2.0
"""How long an envoy may take to say that it lives, once a call of it is late."""

EXIT_S: Final = 0.2
"""How long a process whose sockets are closed may take to be gone: else only the one call has failed."""

BURIAL_S: Final = 2.0
START: Final = "import sys; sys.path.insert(0, sys.argv[1]); from tierhost.workers.storage.envoy_process import main; main()"


class Envoy:
    """One process, started for one pool. It ends with us, however we end: it sees the end of its socket.

    Settings and key go over that socket, never through arguments, environment or a file. Each call has a socket pair
    of its own, so that calls neither wait for each other nor can be mixed up; whoever gives up just closes his end.
    """

    def __init__(self, module: str, settings: Mapping[str, Any], key: bytes) -> None:
        """Start the process; it opens nothing before the first call. `module` is its side: see envoy_process.py."""
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._places = threading.BoundedSemaphore(CALLS_MAX)
        root = Path(__file__).parents[3]
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", START, str(root), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # Libraries print keys that they cannot read.
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env={},
                cwd="/",
            )
        except OSError as error:
            self._control.close()
            raise DriverError(f"cannot start a process for it: {error.strerror}", code=Code.SYSTEM_ERROR) from None
        finally:
            theirs.close()
        self._pidfd = os.pidfd_open(self._process.pid)
        weakref.finalize(self, os.close, self._pidfd)
        self._ended = False
        self._ending = threading.Lock()
        first = {"module": module, "settings": dict(settings), "key": base64.b64encode(key).decode()}
        with suppress(OSError):  # it is dead already: the first call says so
            self._control.send(json.dumps(first).encode())

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def is_usable(self) -> bool:
        """Whether it still lives."""
        return not self._ended and not _readable(self._pidfd, 0.0)

    def call(self, method: str, effort: Effort, data: bytes = b"", **arguments: Any) -> tuple[Any, bytes]:
        """Make one call; returns its answer and bytes. Raises OSError as the library says, or DriverError.

        Unanswered is raised when the time is over: what was asked for may still happen.
        """
        if not self._places.acquire(blocking=False):
            raise DriverError(f"{CALLS_MAX} calls to its storage are waiting already", code=Code.RESOURCE_BUSY)
        try:
            return self._call(method, effort.deadline_s, effort.lock_fd, data, arguments)
        finally:
            self._places.release()

    def _call(self, method: str, deadline_s: float, lock_fd: int, data: bytes, arguments: Mapping[str, Any]) -> tuple[Any, bytes]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with ours:
            with theirs:
                try:
                    # It holds the act's lock until it is done, even if nobody waits for its answer any more.
                    socket.send_fds(self._control, [b"call"], [theirs.fileno(), *([lock_fd] if lock_fd >= 0 else [])])
                except OSError:
                    raise self._died() from None
            request = {"method": method, "arguments": dict(arguments), "limit_s": max(0.0, deadline_s - time.monotonic())}
            try:
                send(ours, request, data, deadline_s)
                reply, payload = receive(ours, deadline_s)
            except TimeoutError:
                self._check_alive()
                raise Unanswered(
                    f"its storage did not answer {method} in time", hint="is the storage behind it answering?"
                ) from None
            except (OSError, EOFError):
                if _readable(self._pidfd, EXIT_S):
                    raise self._died() from None
                raise Unanswered(
                    f"the process that speaks to its storage broke off in {method}", code=Code.INTERNAL_ERROR
                ) from None
        if "errno" in reply:
            raise OSError(reply["errno"], reply["text"])
        return reply["answer"], payload

    def _died(self) -> Unanswered:
        self.close()
        return Unanswered("the process that speaks to its storage died", code=Code.OPERATION_FAILED, hint="try again")

    def _check_alive(self) -> None:
        """End the process if it does not even answer for itself: it was stopped, or a library holds it for ever."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        deadline_s = time.monotonic() + BEAT_LIMIT_S
        with ours:
            try:
                with theirs:
                    socket.send_fds(self._control, [b"call"], [theirs.fileno()])
                send(ours, {"method": "", "arguments": {}, "limit_s": BEAT_LIMIT_S}, b"", deadline_s)
                receive(ours, deadline_s)
            except (OSError, EOFError):
                self.close()

    def close(self) -> None:
        """End it for sure, and leave no zombie. Idempotent."""
        with self._ending:
            if self._ended:
                return
            self._ended = True
        self._control.close()
        self._process.kill()
        if _readable(self._pidfd, BURIAL_S):
            self._process.wait()

    def __del__(self) -> None:
        """A life that ended without a word closes it, too."""
        if hasattr(self, "_ending"):
            self.close()


def _readable(fd: int, limit_s: float) -> bool:
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    return bool(poller.poll(limit_s * 1000))
