"""Signals to processes by their role: SIGKILL, SIGSTOP with SIGCONT as its cure, and any other one."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any, Final

from tierhost.drills import leaks
from tierhost.drills.faults import BadPlan, NotFired
from tierhost.host.shell import procfs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.drills.targets import Target

END_LIMIT_S: Final = 5.0
STOP_LIMIT_S: Final = 1.0
LOOK_AGAIN_S: Final = 0.001
ROUNDS_MAX: Final = 3
"""Who kills "everything" looks again: a host that was about to start a worker may have got so far."""

STARTED_BY_US: Final = frozenset({"host", "everything"})
"""Roles that nobody starts again but whoever started the target."""


class Signal:
    """Sends one signal to everybody who plays a role. The proof is what /proc says of them afterwards."""

    number: signal.Signals = signal.SIGKILL

    def __init__(self, target: Target, whom: str, options: Mapping[str, Any]) -> None:
        unknown = set(options) - {"signal"}
        if unknown:
            raise BadPlan(f"a signal has no option {', '.join(sorted(unknown))}", hint="known: signal")
        self.target = target
        self.whom = whom
        self._pidfds: dict[int, int] = {}
        self._dead: list[int] = []

    def strike(self) -> str:
        """Signal them all, and look that it took effect."""
        rounds = ROUNDS_MAX if self.whom == "everything" and self.number == signal.SIGKILL else 1
        told = ""
        for turn in range(rounds):
            pids = self.target.pids(self.whom)
            if not pids:
                break
            told = told or self._send(pids)
            if turn:
                self._send(pids)
        if not told:
            raise NotFired(f"nobody plays {self.whom!r} just now", subject=self.target.name)
        return told

    def _send(self, pids: list[int]) -> str:
        began_s = time.monotonic()
        for pid in pids:
            try:
                self._pidfds[pid] = os.pidfd_open(pid)
                signal.pidfd_send_signal(self._pidfds[pid], self.number)
            except ProcessLookupError:
                continue
        seen = [self._seen(pid) for pid in pids if pid in self._pidfds]
        if not seen:
            raise NotFired(f"{self.whom} ended before it could be signalled", subject=self.target.name)
        took_ms = (time.monotonic() - began_s) * 1000
        return f"{self.number.name} to {self.whom}: {', '.join(seen)} within {took_ms:.1f} ms"

    def _seen(self, pid: int) -> str:
        """Say what became of a process. Raises NotFired if it goes on as if nothing had happened."""
        if not leaks.wait_readable(self._pidfds[pid], END_LIMIT_S):
            raise NotFired(f"pid {pid} lives {END_LIMIT_S:g} s after {self.number.name}", subject=self.whom)
        self._dead.append(pid)
        return f"pid {pid} ended"

    def heal(self) -> None:
        """Start again what nobody else starts, if it is not there; let go of the descriptors."""
        for fd in self._pidfds.values():
            os.close(fd)
        self._pidfds.clear()
        if self.whom in STARTED_BY_US and self._dead and not self.target.pids("host"):
            self.target.start()


class Kill(Signal):
    """SIGKILL: the process is gone between two instructions."""


class Stop(Signal):
    """SIGSTOP: the process is there and does nothing. SIGCONT heals those who were not replaced meanwhile."""

    number = signal.SIGSTOP

    def _seen(self, pid: int) -> str:
        deadline_s = time.monotonic() + STOP_LIMIT_S
        while not procfs.is_stopped(pid):
            if leaks.wait_readable(self._pidfds[pid], LOOK_AGAIN_S):
                # Whoever supervises it was faster than our look: it saw a stopped process, and ended it.
                return f"pid {pid} was ended at once"
            if time.monotonic() > deadline_s:
                raise NotFired(f"pid {pid} runs on after SIGSTOP", subject=self.whom)
        return f"pid {pid} is stopped"

    def heal(self) -> None:
        """Let those go on who are still there."""
        for fd in self._pidfds.values():
            try:
                signal.pidfd_send_signal(fd, signal.SIGCONT)
            except ProcessLookupError:
                continue
        super().heal()


class Ask(Signal):
    """A signal that asks a process to end (SIGTERM unless the option `signal` names another): a clean exit is the proof."""

    number = signal.SIGTERM

    def __init__(self, target: Target, whom: str, options: Mapping[str, Any]) -> None:
        super().__init__(target, whom, options)
        name = options.get("signal", "SIGTERM")
        try:
            self.number = signal.Signals[name]
        except KeyError:
            raise BadPlan(f"{name!r} is no signal", hint="say SIGTERM, SIGINT, SIGABRT, ...") from None


KINDS = {"kill": Kill, "stop": Stop, "signal": Ask}
