"""How an interface is started and stopped, and becomes what was acknowledged again after a crash: intent, act, outcome."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.interface import interface_xml, steps
from tierhost.workers.interface.registry import Interface, Started
from tierhost.workers.interface.state import Intent, Seen, Settlement, settle
from tierhost.workers.runtime.contract import Code, DriverError, TierhostError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tierhost.workers.interface.backend import Links
    from tierhost.workers.interface.definition import Definition
    from tierhost.workers.interface.registry import Interfaces
    from tierhost.workers.interface.steps import Step
    from tierhost.workers.runtime.contract import Context

INTERFACES: Final = "interfaces"
"""Persistent: definitions by name."""

ACTIVE: Final = "active"
"""Run: what is active, and what it was started with."""

INDEX_BITS: Final = (1 << 29) - 1
INDEX_BASE: Final = 1 << 29
RETRY_FIRST_S, RETRY_MAX_S = 2.0, 60.0


class InterfaceLife:
    """Starts, stops and settles interfaces. Whoever calls holds the interface's job lock, or is initialize."""

    def __init__(self, context: Context, links: Links, interfaces: Interfaces) -> None:
        self._context = context
        self._links = links
        self._interfaces = interfaces
        self._run = context.run

    # Starting and stopping.

    def start(self, name: str, definition: Definition, *, called: bool = True) -> None:
        """Start an interface. Durable when it returns; undone when it raises. `called`: it answers the call in progress."""
        world = self._links.world()
        trouble = steps.obstacle(definition.part, world)
        if trouble:
            hint = "`ip link` shows what is there"
            raise DriverError(trouble, code=Code.OPERATION_FAILED, subject=f"interface {name}", hint=hint)
        indexes = {part.name: _fresh_index() for part in definition.part.all() if part.made}
        started = Started(definition, indexes, steps.picture(definition.part, world))
        self._run.intend(_intent(name), {"act": "start", **started.row()})
        try:
            self._perform(steps.start_steps(definition.part, indexes))
        except DriverError:
            self._undo(name, started)
            raise
        self._record_start(name, started, called=called)
        self._context.emit("interface-started", name, {})

    def stop(self, interface: Interface, *, called: bool = True) -> None:
        """Stop an active interface: what we made goes, what was there is as it was. `called`: it answers the call in progress."""
        started = interface.live
        assert started is not None
        self._run.intend(_intent(interface.name), {"act": "stop", **started.row()})
        self._take_away(started)
        with self._run.transaction() as t:
            t.delete(ACTIVE, interface.name)
            t.settle(_intent(interface.name))
            if called:
                t.reply(None)
        self._interfaces.put(replace(interface, live=None))
        self._context.mend(interface.subject)
        self._context.emit("interface-stopped", interface.name, {})

    def seen(self, started: Started) -> Seen:
        """Look at what the world shows of an interface."""
        return steps.look(started.definition.part, started.indexes, self._links.world())

    def _perform(self, wanted: list[Step]) -> None:
        for step in wanted:
            self._links.perform(step)

    def _take_away(self, started: Started) -> None:
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
            self._take_away(started)
        except DriverError as error:
            # The intent stays: the next life, or the next start, settles it by what the world shows then.
            self._context.degrade(f"interface {name}", f"a start failed and could not be undone: {error}")
            return
        with self._run.transaction() as t:
            t.abandon(_intent(name))

    def _record_start(self, name: str, started: Started, *, called: bool = False) -> None:
        with self._run.transaction() as t:
            t.put(ACTIVE, name, started.row())
            t.settle(_intent(name))
            if called:
                t.reply(None)
        self._put_live(name, started)
        self._context.mend(f"interface {name}")

    def _put_live(self, name: str, started: Started | None) -> None:
        known = self._interfaces.get(name) or Interface(name)
        self._interfaces.put(replace(known, live=started))

    # After a crash.

    def restore(self) -> None:
        """Read the records, look at the world, settle each. A bad one costs only itself."""
        intents = {facts["name"]: facts for facts in self._run.intents().values() if "act" in facts}
        lost = {damage.key for damage in self._run.damage() if damage.table == ACTIVE}
        defined = self._context.persistent.all(INTERFACES)
        for name in sorted({*defined, *self._run.all(ACTIVE), *intents}):
            definition = self._read(name, defined.get(name))
            live = self._started(name, self._run.get(ACTIVE, name))
            self._interfaces.put(Interface(name, definition, live))
            if name in lost and live is None and name not in intents:
                reason = "the record of how it was started is lost: whether it runs, and which devices are its own, nobody knows"
                self._context.degrade(f"interface {name}", reason)
            self._settle_or_degrade(name, intents.get(name))

    def read_definitions(self) -> None:
        """Take the definitions from the store again; what is active stays."""
        rows = self._context.persistent.all(INTERFACES)
        for name in {*rows, *(interface.name for interface in self._interfaces.all())}:
            known = self._interfaces.get(name) or Interface(name)
            self._interfaces.put(replace(known, defined=self._read(name, rows.get(name))))

    def settle_again(self, name: str) -> None:
        """Settle what an earlier act left open, before the next one."""
        intent = self._run.intents().get(_intent(name))
        if intent is not None:
            self._settle(name, intent)

    def look_again(self) -> None:
        """Look at every active interface, and make what is missing."""
        for interface in self._interfaces.all():
            if interface.active:
                with self._context.jobs.changing(interface.subject):
                    self._settle_or_degrade(interface.name, None)

    def _read(self, name: str, row: Mapping[str, Any] | None) -> Definition | None:
        if row is None:
            return None
        try:
            return interface_xml.read(row["xml"])
        except DriverError as error:
            self._context.degrade(f"interface {name}", f"its definition cannot be read: {error}")
            return None

    def _started(self, name: str, row: Mapping[str, Any] | None) -> Started | None:
        definition = self._read(name, row)
        return None if row is None or definition is None else Started(definition, row["indexes"], row["before"])

    def _settle_or_degrade(self, name: str, intent: Mapping[str, Any] | None, attempt: int = 0) -> None:
        try:
            self._settle(name, intent)
        except DriverError as error:
            self._context.degrade(f"interface {name}", f"it is not as it was: {error}")
            delay_s = min(RETRY_MAX_S, RETRY_FIRST_S * 2**attempt)
            self._context.later(delay_s, lambda: self._try_again(name, min(attempt + 1, 10)))

    def _try_again(self, name: str, attempt: int) -> None:
        try:
            with self._context.jobs.changing(f"interface {name}"):
                self._settle_or_degrade(name, self._run.intents().get(_intent(name)), attempt)
        except TierhostError as error:
            self._context.degrade(f"interface {name}", str(error))
            self._context.later(RETRY_MAX_S, lambda: self._try_again(name, attempt))

    def _settle(self, name: str, intent: Mapping[str, Any] | None) -> None:
        known = self._interfaces.get(name)
        live = known.live if known else None
        started = live or self._started(name, intent)
        if started is None:
            return
        act = Intent(intent["act"]) if intent else Intent.NONE
        seen = self.seen(started)
        settlement = settle(active=live is not None, seen=seen, intent=act)
        self._settlements[settlement](self, name, started)
        if intent and settlement is not Settlement.STAY_ACTIVE_DEGRADED:
            self._context.emit("interface-settled", name, {"act": act.value, "settlement": settlement.value})

    def _stay(self, name: str, started: Started) -> None:
        self._context.mend(f"interface {name}")

    def _make_again(self, name: str, started: Started) -> None:
        self._perform(steps.start_steps(started.definition.part, started.indexes))
        self._record_start(name, started)
        self._context.emit("interface-made-again", name, {})

    def _report(self, name: str, started: Started) -> None:
        reason = f"it was active, and '{name}' is something now that we did not make: nothing is touched"
        self._context.degrade(f"interface {name}", reason)
        with self._run.transaction() as t:
            t.abandon(_intent(name))

    def _abandon_start(self, name: str, started: Started) -> None:
        self._take_away(started)
        with self._run.transaction() as t:
            t.abandon(_intent(name))

    def _complete_stop(self, name: str, started: Started) -> None:
        self._take_away(started)
        with self._run.transaction() as t:
            t.delete(ACTIVE, name)
            t.settle(_intent(name))
        self._put_live(name, None)

    def _abandon_stop(self, name: str, started: Started) -> None:
        with self._run.transaction() as t:
            t.put(ACTIVE, name, started.row())
            t.abandon(_intent(name))
        self._put_live(name, started)

    _settlements: Final[Mapping[Settlement, Callable[[InterfaceLife, str, Started], None]]] = {
        Settlement.STAY_INACTIVE: _stay,
        Settlement.STAY_ACTIVE: _stay,
        Settlement.MAKE_AGAIN: _make_again,
        Settlement.STAY_ACTIVE_DEGRADED: _report,
        Settlement.COMPLETE_START: _record_start,
        Settlement.UNDO_START: _abandon_start,
        Settlement.COMPLETE_STOP: _complete_stop,
        Settlement.ABANDON_STOP: _abandon_stop,
    }


def _intent(name: str) -> str:
    return f"interface {name}"


def _fresh_index() -> int:
    """Choose an index for a device: from half a billion, so that nobody else's ever has it."""
    return INDEX_BASE | (int.from_bytes(os.urandom(4), "big") & INDEX_BITS)
