"""Logical points: a worker is held at its n-th state commit or a peer's n-th reply, the host where a driver enters a phase.

They stand still until whoever watches lets them go.

The runner's half is `Gate`; the other is installed by the launcher in every worker of the host that it starts:

    arming = Arming(folder / "sheet", folder / "news")
    arming.write(folder / "arming.json")
    gate = Gate(arming)
    # start: python -m tierhost.drills.launcher arming.json -- --root FOLDER up ...
    gate.arm(Point("commit", driver="storage", ordinal=2))
    # ... a call of storage, made by another thread ...
    pid = gate.wait_reached(time.monotonic() + 10.0)
    os.kill(pid, signal.SIGKILL)
    gate.release()

Should the runner die, whoever is held goes on.
"""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills.launcher.arming import Order, Sheet
from tierhost.ipc.errors import Code, TierhostError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tierhost.drills.launcher.arming import Arming
    from tierhost.drills.plan import Point

COMMIT: Final = "commit"
REPLY: Final = "reply"
PHASE: Final = "phase"
HOLD: Final = "hold"
WAITING_MAX: Final = 8
_CREDENTIALS: Final = struct.Struct("3i")


class NoGate(TierhostError):
    """Raised for a point that no worker can be held at."""

    code = Code.INVALID_ARG


class NotReached(TierhostError):
    """Raised when nobody came to the gate in time."""

    code = Code.OPERATION_TIMEOUT


def _sheet_of(arming: Arming, number: int) -> Path:
    return arming.sheet.with_name(f"{arming.sheet.name}.gate{number}")


def _door_of(arming: Arming, number: int) -> Path:
    return arming.news.with_name(f"{arming.news.name}.gate{number}")


class Gate:
    """The runner's half. One point at a time; not to be shared between threads, but for `release`."""

    def __init__(self, arming: Arming, number: int = 0) -> None:
        """Open the door of one of the gates that were armed. Make it before the host is started, or at any time after."""
        self._sheet = Sheet(_sheet_of(arming, number))
        self._path = _door_of(arming, number)
        self._path.unlink(missing_ok=True)
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._door.bind(str(self._path))
        self._door.listen(WAITING_MAX)
        self._held: list[socket.socket] = []

    def arm(self, point: Point) -> None:
        """From now on, count; hold whoever comes to the point. Raises NoGate for kinds that are not the launcher's."""
        more = {COMMIT: "", REPLY: point.peer, PHASE: point.phase}
        if point.kind not in more or not point.driver or point.ordinal < 1 or (point.kind != COMMIT and not more[point.kind]):
            hint = '"commit" with a driver, "reply" with a driver and a peer, "phase" with a driver and a phase'
            raise NoGate(f"nobody can be held at {point}", hint=hint)
        self.release()
        self._sheet.reset()
        self._sheet.give(Order(HOLD, point.driver, point.kind, f"{more[point.kind]} {point.ordinal}"))

    def wait_reached(self, deadline_s: float) -> int:
        """Wait until somebody is held, and return its pid. Raises NotReached at `deadline_s` (CLOCK_MONOTONIC)."""
        heard, _, _ = select.select([self._door], [], [], max(0.0, deadline_s - time.monotonic()))
        if not heard:
            raise NotReached("nobody came to the point in time", subject="gate")
        line, _ = self._door.accept()
        self._held.append(line)
        pid: int = _CREDENTIALS.unpack(line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))[0]
        return pid

    def holds(self) -> bool:
        """Whether whoever came last is held there this instant: it neither went on nor died."""
        try:
            return bool(self._held) and bool(self._held[-1].recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except BlockingIOError:
            return True

    def release(self) -> None:
        """Let go of whoever is held, and hold nobody any more. May be called again, even after `close`."""
        if self._door.fileno() >= 0:
            self._sheet.clear()
        held, self._held = self._held, []
        for line in held:
            line.close()

    def close(self) -> None:
        """Release, and close the door: whoever stands before it goes on. May be called again."""
        if self._door.fileno() < 0:
            return
        self.release()
        self._door.close()
        self._path.unlink(missing_ok=True)
        self._sheet.close()


class Turnstile:
    """The worker's half. Made before the fork; the sheet, and the count on it, are common to all lives."""

    def __init__(self, arming: Arming, number: int = 0) -> None:
        self._sheet = Sheet(_sheet_of(arming, number))
        self._path = _door_of(arming, number)
        self._counting = threading.Lock()

    def counts(self, kind: str, driver: str, more: str = "") -> bool:
        """Count somebody who is at a point of this kind; return whether it is the one, who is to wait."""
        order = self._sheet.read()
        if order is None or (order.driver, order.method) != (driver, kind):
            return False
        wanted, _, ordinal = order.point.rpartition(" ")
        with self._counting:
            is_it = wanted == more and self._sheet.count() == int(ordinal)
        if is_it:
            self._sheet.clear()
        return is_it

    def wait(self) -> None:
        """Stand still until the runner lets go."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line, suppress(OSError):
            line.connect(str(self._path))
            # Nothing is ever sent: the end of the line is the word to go on, whoever ended it.
            line.recv(1)


def install(arming: Arming) -> None:
    """Put the turnstiles into the runtime, in this process and in all that are forked from it; and into the host if armed so."""
    from tierhost.ipc.calls import Caller  # noqa: PLC0415  # the host itself never imports workers: this program does
    from tierhost.workers.runtime.main import Worker  # noqa: PLC0415
    from tierhost.workers.runtime.store import Store  # noqa: PLC0415

    turnstiles = [Turnstile(arming, number) for number in range(arming.gates)]
    driver = ""

    def passes(kind: str, whose: str, more: str = "") -> None:
        # Each has counted before the first one holds: whoever dies there has been counted by all.
        for turnstile in [each for each in turnstiles if each.counts(kind, whose, more)] if whose else ():
            turnstile.wait()

    def take_up(original: Callable[..., Any], worker: Any, message: Any) -> Any:
        nonlocal driver
        driver = message.spec["name"]
        return original(worker, message)

    def commit(original: Callable[..., Any], store: Any, transaction: Any) -> Any:
        passes(COMMIT, driver)
        return original(store, transaction)

    def answered(original: Callable[..., Any], caller: Any, way: Any, *args: Any) -> Any:
        answer = original(caller, way, *args)
        if answer is not None:
            passes(REPLY, driver, way.entry.driver)
        return answer

    for owner, name, around in (
        (Worker, "_take_up", take_up),
        (Store, "_commit", commit),
        (Caller, "_wait_for_answer", answered),
    ):
        wrap(owner, name, around)
    if arming.phases:
        _install_in_host(passes)


def _install_in_host(passes: Callable[[str, str, str], None]) -> None:
    """Whoever is held there has said nothing of the phase yet, and done nothing of what comes with it."""
    from tierhost.host.shell.orders import Orders  # noqa: PLC0415  # a host that is watched is not to be imported before

    def publish(original: Callable[..., Any], orders: Any, command: Any) -> Any:
        passes(PHASE, command.driver, command.phase)
        return original(orders, command)

    wrap(Orders, "_publish_phase", publish)


def wrap(owner: type, name: str, around: Callable[..., Any]) -> None:
    """Put a function around a method: it is given the method, then what that was given."""
    original = getattr(owner, name)

    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        return around(original, self, *args, **kwargs)

    setattr(owner, name, wrapped)
