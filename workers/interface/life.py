"""How an interface is started and stopped: intent, act, outcome."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tierhost.workers.interface import steps
from tierhost.workers.interface.registry import Interface, Started
from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from tierhost.workers.interface.backend import Links
    from tierhost.workers.interface.definition import Definition
    from tierhost.workers.interface.registry import Interfaces
    from tierhost.workers.interface.state import Seen
    from tierhost.workers.interface.steps import Step
    from tierhost.workers.runtime.contract import Context

INTERFACES: Final = "interfaces"
"""Persistent: definitions by name."""

ACTIVE: Final = "active"
"""Run: what is active, and what it was started with."""

INDEX_BITS: Final = (1 << 29) - 1
INDEX_BASE: Final = 1 << 29


class InterfaceActs:
    """Starts and stops interfaces. Whoever calls holds the interface's job lock, or is initialize."""

    def __init__(self, context: Context, links: Links, interfaces: Interfaces) -> None:
        self._context = context
        self._links = links
        self._interfaces = interfaces
        self._run = context.run

    def start(self, name: str, definition: Definition, *, called: bool = True) -> None:
        """Start an interface. Durable when it returns; undone when it raises. `called`: it answers the call in progress."""
        world = self._links.world()
        trouble = steps.obstacle(definition.part, world)
        if trouble:
            hint = "`ip link` shows what is there"
            raise DriverError(trouble, code=Code.OPERATION_FAILED, subject=f"interface {name}", hint=hint)
        indexes = {part.name: _fresh_index() for part in definition.part.all() if part.made}
        started = Started(definition, indexes, steps.picture(definition.part, world))
        self._run.intend(intent_of(name), {"act": "start", **started.row()})
        try:
            self.perform(steps.start_steps(definition.part, indexes))
        except DriverError:
            self._undo(name, started)
            raise
        self.record_start(name, started, called=called)
        self._context.emit("interface-started", name, {})

    def stop(self, interface: Interface, *, called: bool = True) -> None:
        """Stop an active interface: what we made goes, what was there is as it was. `called`: it answers the call in progress."""
        started = interface.live
        assert started is not None
        self._run.intend(intent_of(interface.name), {"act": "stop", **started.row()})
        self.take_away(started)
        with self._run.transaction() as t:
            t.delete(ACTIVE, interface.name)
            t.settle(intent_of(interface.name))
            if called:
                t.reply(None)
        self._interfaces.put(replace(interface, live=None))
        self._context.mend(interface.subject)
        self._context.emit("interface-stopped", interface.name, {})

    def seen(self, started: Started) -> Seen:
        """Look at what the world shows of an interface."""
        return steps.look(started.definition.part, started.indexes, self._links.world())

    def perform(self, wanted: list[Step]) -> None:
        """Do steps, in order; those that hold are left out."""
        for step in wanted:
            self._links.perform(step)

    def take_away(self, started: Started) -> None:
        """Remove what we made of an interface, and set back what was there."""
        part, world = started.definition.part, self._links.world()
        # Each step is looked at when its turn comes: a card that is up now is down once its bond has gone.
        for step in steps.stop_steps(part, started.indexes, started.before, world):
            try:
                self._links.perform(step)
            except DriverError as error:
                # A card that has just been pulled out has nothing left to be taken away, or set back to.
                if error.code is not Code.NO_INTERFACE:
                    raise

    def _undo(self, name: str, started: Started) -> None:
        try:
            self.take_away(started)
        except DriverError as error:
            # The intent stays: the next life, or the next start, settles it by what the world shows then.
            self._context.degrade(f"interface {name}", f"a start failed and could not be undone: {error}")
            return
        with self._run.transaction() as t:
            t.abandon(intent_of(name))

    def record_start(self, name: str, started: Started, *, called: bool = False) -> None:
        """Write down that an interface is active, and what it was started with."""
        with self._run.transaction() as t:
            t.put(ACTIVE, name, started.row())
            t.settle(intent_of(name))
            if called:
                t.reply(None)
        self.put_live(name, started)
        self._context.mend(f"interface {name}")

    def put_live(self, name: str, started: Started | None) -> None:
        """Show an interface as active, or not."""
        known = self._interfaces.get(name) or Interface(name)
        self._interfaces.put(replace(known, live=started))


def intent_of(name: str) -> str:
    """Name the intent about an interface: there is one at a time."""
    return f"interface {name}"


def _fresh_index() -> int:
    """Choose an index for a device: from half a billion, so that nobody else's ever has it."""
    return INDEX_BASE | (int.from_bytes(os.urandom(4), "big") & INDEX_BITS)
