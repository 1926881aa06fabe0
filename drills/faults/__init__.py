"""Faults: each strikes from outside, proves that it fired, and heals what it did.

A module of this folder offers its kinds in a table `KINDS`: name in a plan -> class that keeps the protocol Striking. It is
made with (target, whom, options), `whom` being the fault's `target` in the plan; bad options raise BadPlan when it is made.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from tierhost.ipc.errors import TierhostError


class BadPlan(TierhostError):
    """Raised when a plan asks for what cannot be: an unknown kind, whom, point or option."""


class NotFired(TierhostError):
    """Raised when a fault found nothing to strike, or cannot prove that it did: the run is no evidence of anything."""


class PromiseBroken(TierhostError):
    """Raised when a fault struck, and what must follow from it by the host's own word did not: the run is BROKEN.

    The text is what was seen instead.
    """


class Striking(Protocol):
    """One fault of one run."""

    def strike(self) -> str:
        """Do it, and return the proof (what was seen afterwards, in a sentence). Raises NotFired, PromiseBroken."""

    def heal(self) -> None:
        """Undo it, as far as it does not undo itself. Called once more if the first call was cut short; never raises for that.

        Raises PromiseBroken if what was seen until then shows it.
        """


@runtime_checkable
class Prepared(Protocol):
    """A fault that needs something put in place before: done when the site is steady, before the load begins."""

    def make_ready(self) -> None:
        """Put it in place, unless it is there. Raises NotFired if that cannot be; a strike would raise the same."""


@runtime_checkable
class OnLeash(Protocol):
    """A fault that another process can heal from plain values: {"kind", "module", "arguments"}, for `KINDS[kind].undo`."""

    def leash(self) -> dict[str, Any]:
        """Return them. Called just before the strike: it settles who is struck. Raises NotFired."""
