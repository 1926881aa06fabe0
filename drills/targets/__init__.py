"""What a drill is run against: anything that can be started, asked, looked at and ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from tierhost.ipc.errors import TierhostError

if TYPE_CHECKING:
    from pathlib import Path

    from tierhost.drills.history import Journaled, Look
    from tierhost.drills.plan import Ask


class NoAnswer(TierhostError):
    """Raised when a call had no answer by its deadline, or nobody knows what became of it."""


class Target(Protocol):
    """One running system in a private folder. Made by a run, closed by it whatever happens.

    Roles are drivers ("secret", "storage", "qemu": whichever process serves them), "host", "zygote", "spares" (where a
    target has them) and "guest NAME".
    """

    name: str
    folder: Path

    def start(self) -> None:
        """Start it, or start it again; return when it is ready. Raises TierhostError if it does not come up."""

    def ask(self, ask: Ask) -> Any:
        """Make one call, "driver.method" with libvirt's names and our arguments, and return its answer.

        Raises NoAnswer when nobody knows what became of it, and another TierhostError when it was refused.
        """

    def pids(self, role: str) -> list[int]:
        """Return the processes that play a role now; none if there is none."""

    def look(self, label: str) -> Look:
        """Look at the world: what it says, and what the kernel says."""

    def journal(self) -> list[Journaled]:
        """Return what it has written down of its own decisions; nothing if it does not."""

    def close(self) -> None:
        """End everything of it. Leaves no process, mount, loop device or file outside `folder`. May be called again."""
