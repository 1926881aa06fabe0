"""Who is put through power cuts: how each is started, what is changed, and everything of it that must survive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from tierhost.ipc.errors import Code, TierhostError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

Rows = dict[str, Any]
"""What is there, by name, in JSON's terms. Each row is old or new as a whole after a cut, and all of them belong together."""

TROUBLE: Final = "what is out of order"
"""The row that is empty while nothing is damaged, degraded or out of use."""

FIRST_BOOT: Final = "boot 1"
NEXT_BOOT: Final = "boot 2"
NAMES: Final = ("store", "run-store", "run-store-next-boot", "secret", "storage", "qemu")


class NoSubject(TierhostError):
    """Raised when nobody of this name can be put through power cuts."""

    code = Code.INVALID_ARG


class Life(Protocol):
    """Something that runs on a folder."""

    def rows(self) -> Rows:
        """Return everything that must survive, and TROUBLE."""


@dataclass(frozen=True, slots=True)
class Step:
    """One change that a client asks for, or (`act` None) an orderly end and a new start."""

    title: str
    act: Callable[[Any], object] | None


RESTART: Final = Step("ended in good order and started again", None)


@dataclass(frozen=True, slots=True)
class Subject:
    """`live(folder, boot id)` starts it. `next_boot` is the boot after the cut, `survives` what of the rows it must find."""

    name: str
    title: str
    live: Callable[[Path, str], AbstractContextManager[Life]]
    steps: Callable[[], list[Step]]
    next_boot: str = NEXT_BOOT
    survives: Callable[[Rows], Rows] = dict
    finish: Callable[[Any], object] | None = None
    """Ends what would outlive the program that is recorded."""

    def boot_after(self, cuts: int) -> str:
        """Return the boot after so many cuts, each of which makes a new one where the first does."""
        return self.next_boot if self.next_boot == FIRST_BOOT or cuts == 1 else f"boot {cuts + 1}"


def subject(name: str) -> Subject:
    """Return a subject by its name. Each is imported only when it is wanted: a driver brings its libraries. Raises NoSubject."""
    if name in {"store", "run-store", "run-store-next-boot"}:
        from tierhost.drills.power_cut.subjects import store  # noqa: PLC0415

        return store.SUBJECTS[name]
    if name == "secret":
        from tierhost.drills.power_cut.subjects import secret  # noqa: PLC0415

        return secret.SECRET
    if name == "storage":
        from tierhost.drills.power_cut.subjects import storage  # noqa: PLC0415

        return storage.STORAGE
    if name == "qemu":
        from tierhost.drills.power_cut.subjects import qemu  # noqa: PLC0415

        return qemu.QEMU
    raise NoSubject(f"there is no subject {name!r}", hint=f"the subjects are {', '.join(NAMES)}")
