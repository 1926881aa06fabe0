"""After a crash: read the records, look at the world, and make every interface again what was acknowledged."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.interface import interface_xml, steps
from tierhost.workers.interface.life import ACTIVE, INTERFACES, InterfaceActs, intent_of
from tierhost.workers.interface.registry import Interface, Started
from tierhost.workers.interface.state import Settlement, settle
from tierhost.workers.runtime.contract import DriverError, TierhostError
from tierhost.workers.runtime.settling import Intent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tierhost.workers.interface.definition import Definition

RETRY_FIRST_S, RETRY_MAX_S = 2.0, 60.0


class InterfaceLife(InterfaceActs):
    """Starts, stops and settles interfaces."""

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
        intent = self._run.intents().get(intent_of(name))
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
                self._settle_or_degrade(name, self._run.intents().get(intent_of(name)), attempt)
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
        self.perform(steps.start_steps(started.definition.part, started.indexes))
        self.record_start(name, started)
        self._context.emit("interface-made-again", name, {})

    def _report(self, name: str, started: Started) -> None:
        reason = f"it was active, and '{name}' is something now that we did not make: nothing is touched"
        self._context.degrade(f"interface {name}", reason)
        with self._run.transaction() as t:
            t.abandon(intent_of(name))

    def _abandon_start(self, name: str, started: Started) -> None:
        self.take_away(started)
        with self._run.transaction() as t:
            t.abandon(intent_of(name))

    def _complete_stop(self, name: str, started: Started) -> None:
        self.take_away(started)
        with self._run.transaction() as t:
            t.delete(ACTIVE, name)
            t.settle(intent_of(name))
        self.put_live(name, None)

    def _abandon_stop(self, name: str, started: Started) -> None:
        with self._run.transaction() as t:
            t.put(ACTIVE, name, started.row())
            t.abandon(intent_of(name))
        self.put_live(name, started)

    _settlements: Final[Mapping[Settlement, Callable[[InterfaceLife, str, Started], None]]] = {
        Settlement.STAY_INACTIVE: _stay,
        Settlement.STAY_ACTIVE: _stay,
        Settlement.MAKE_AGAIN: _make_again,
        Settlement.STAY_ACTIVE_DEGRADED: _report,
        Settlement.COMPLETE_START: InterfaceActs.record_start,
        Settlement.UNDO_START: _abandon_start,
        Settlement.COMPLETE_STOP: _complete_stop,
        Settlement.ABANDON_STOP: _abandon_stop,
    }
