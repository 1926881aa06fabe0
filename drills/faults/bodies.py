"""What many faults have in common: whom they strike, plain values from which any process can heal, options that are checked."""

from __future__ import annotations

import os
import select
import signal
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tierhost.drills.faults import BadPlan, NotFired
from tierhost.host.shell import procfs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tierhost.drills.targets import Target


@dataclass(frozen=True, slots=True)
class Body:
    """One process, known by its pid and the instant it started: never the one that has its pid later."""

    pid: int
    start: int

    @property
    def is_alive(self) -> bool:
        """Whether it is that process still, and no zombie."""
        return procfs.start_time(self.pid) == self.start and not procfs.is_dead(self.pid)

    def end(self, limit_s: float) -> bool:
        """SIGKILL it, and wait for its end. Returns whether it is gone."""
        try:
            pidfd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            if not self.is_alive:
                return True
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            poller = select.poll()
            poller.register(pidfd, select.POLLIN)
            return bool(poller.poll(limit_s * 1000))
        except ProcessLookupError:
            return True
        finally:
            os.close(pidfd)


def body_of(target: Target, role: str) -> Body:
    """Return the process that plays a role now. Raises NotFired if there is none."""
    for pid in target.pids(role):
        start = procfs.start_time(pid)
        if start is not None and not procfs.is_dead(pid):
            return Body(pid, start)
    reason = "nobody plays this role now"
    raise NotFired(reason, subject=role, hint="aim at a point where it lives")


class Leashed(ABC):
    """A fault that is undone by plain values: `leash()` gives them to whoever must heal if we are gone.

    `prepare` looks at the victim and changes nothing; `act` strikes and returns the proof; `undo` heals, from nothing but
    what `prepare` returned, in any process, as often as it is called, and whatever became of the victim.
    """

    kind: ClassVar[str]

    def __init__(self, target: Target, whom: str, options: Mapping[str, Any]) -> None:
        self.target = target
        self.whom = whom
        self.options = options
        self._arguments: dict[str, Any] | None = None

    @abstractmethod
    def prepare(self) -> dict[str, Any]:
        """Find the victim, and what is needed to heal it: numbers, texts, and lists of them. Raises NotFired."""

    @abstractmethod
    def act(self, arguments: Mapping[str, Any]) -> str:
        """Strike, and return the proof. Raises NotFired."""

    @staticmethod
    @abstractmethod
    def undo(**arguments: Any) -> None:
        """Heal what `act` did, as far as it got."""

    def leash(self) -> dict[str, Any]:
        """Return what another process needs to heal: KINDS[kind].undo(**arguments), of the module. Fixes the victim."""
        if self._arguments is None:
            self._arguments = self.prepare()
        return {"module": type(self).__module__, "kind": self.kind, "arguments": self._arguments}

    def strike(self) -> str:
        """Do it, and return the proof."""
        self.leash()
        assert self._arguments is not None
        return self.act(self._arguments)

    def heal(self) -> None:
        """Undo it."""
        if self._arguments is not None:
            self.undo(**self._arguments)


def check_known(kind: str, options: Mapping[str, Any], known: Iterable[str]) -> None:
    """Raise BadPlan for an option that this kind does not have."""
    names = sorted(known)
    for name in options:
        if name not in names:
            reason = f"it has no option {name!r}"
            raise BadPlan(reason, subject=f"fault {kind}", hint=f"it has {', '.join(names) or 'none'}")


def number(kind: str, options: Mapping[str, Any], name: str, default: float, low: float, high: float) -> float:
    """One option that is a number within bounds. Raises BadPlan."""
    value = options.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        reason = f"{name} must be a number from {low} to {high}, got {value!r}"
        raise BadPlan(reason, subject=f"fault {kind}")
    return value


def choice(kind: str, options: Mapping[str, Any], name: str, default: str, allowed: Iterable[str]) -> str:
    """One option that is one of several words. Raises BadPlan."""
    value, words = options.get(name, default), sorted(allowed)
    if not isinstance(value, str) or value not in words:
        reason = f"{name} must be one of {', '.join(words)}, got {value!r}"
        raise BadPlan(reason, subject=f"fault {kind}")
    return value


def text(kind: str, options: Mapping[str, Any], name: str, default: str) -> str:
    """One option that is a text. Raises BadPlan."""
    value = options.get(name, default)
    if not isinstance(value, str):
        reason = f"{name} must be a text, got {value!r}"
        raise BadPlan(reason, subject=f"fault {kind}")
    return value
