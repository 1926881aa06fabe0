"""What an operation is to a drill: what must be there before, the call, and how to see what became of it."""

from __future__ import annotations

import os
import signal
import uuid as uuids
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from tierhost.ipc.errors import DriverError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tierhost.drills.kill_points.site import Site


@dataclass(slots=True)
class Scene:
    """One drill's own objects on a site: a tag that no other drill has, a uuid, a folder."""

    site: Site
    tag: str
    uuid: str = field(default_factory=lambda: str(uuids.uuid4()))
    notes: dict[str, Any] = field(default_factory=dict)
    answered: dict[str, str] = field(default_factory=dict)
    """Names that the driver made up, as the answers to this drill's calls told them."""

    @property
    def folder(self) -> Path:
        """Where its files may lie."""
        return self.site.folder / "objects" / self.tag

    def call(self, method: str, *args: Any) -> Any:
        """Make a call that changes something, or must succeed."""
        return self.site.client.call(method, *args)

    def ask(self, method: str, *args: Any) -> Any:
        """Make a call that changes nothing; a refusal of the driver is an answer, too."""
        try:
            return self.site.client.call(method, *args, changes=False)
        except DriverError as refused:
            return {"refused": int(refused.code)}

    def undo(self, method: str, *args: Any) -> None:
        """Make a call that clears something away, if it is there."""
        try:
            self.site.client.call(method, *args)
        except DriverError:
            return

    def kill(self, driver: str) -> None:
        """End a driver's worker as by `kill -9`."""
        os.kill(self.site.lives()[driver]["pid"], signal.SIGKILL)

    def plain(self, value: Any) -> str:
        """Put what was seen into words in which every drill's objects have the same names, so that drills compare."""
        words = repr(value).replace(self.uuid, "UUID").replace(self.tag, "TAG")
        for name, made_up in self.answered.items():
            words = words.replace(made_up, name.upper())
        return words


DRIVERS: Final = ("secret", "storage", "qemu")

Step: TypeAlias = "Callable[[Scene], Any]"


def nothing(_: Scene) -> None:
    """Where nothing has to be prepared, or cleared away."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one driver, in one situation.

    `name` is "driver.method", or "driver.method:situation". `call` makes it; `view` says how its objects are, as a client
    sees them: what a view is after an undisturbed call is the goal. `changes` is False for questions, whose answer is all
    there is to see; a change may be one that is not `visible` (a button that was pressed). `victim` is the method in whose
    midst the worker dies, where that is not the one that is called: a service, which only workers may call, or a verb.
    `own_lives` is how many lives the call itself costs. `drivers` is whom its site must have; `netns`, that its host runs in
    a network namespace of its own.
    """

    name: str
    call: Step
    view: Step
    prepare: Step = nothing
    clear: Step = nothing
    changes: bool = True
    visible: bool = True
    victim: str = ""
    own_lives: int = 0
    drivers: tuple[str, ...] = DRIVERS
    netns: bool = False

    @property
    def method(self) -> str:
        """The method that this is about, "driver.method"."""
        return self.name.partition(":")[0]

    @property
    def driver(self) -> str:
        """Whose worker dies."""
        return (self.victim or self.method).partition(".")[0]

    @property
    def at(self) -> str:
        """The method, or verb, in whose midst it dies."""
        return (self.victim or self.method).partition(".")[2]
