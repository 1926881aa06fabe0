"""A change of several interfaces that can be taken back: begin, commit, rollback, by a snapshot in the persistent store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.interface import interface_xml
from tierhost.workers.interface.life import ACTIVE, INTERFACES
from tierhost.workers.runtime.contract import Code, DriverError, TierhostError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.workers.interface.registry import Interfaces
    from tierhost.workers.interface.restoring import InterfaceLife
    from tierhost.workers.runtime.contract import Context

CHANGE: Final = "change"
SNAPSHOT: Final = "snapshot"
OPEN, ROLLING_BACK = "open", "rolling back"
ROLLBACK: Final = "rollback"
SUBJECT: Final = "interface change"


class Changing:
    """One change at a time; its snapshot survives whatever kills us, at any step of the way back too."""

    def __init__(self, context: Context, interfaces: Interfaces, life: InterfaceLife) -> None:
        self._context = context
        self._interfaces = interfaces
        self._life = life
        self._persistent = context.persistent

    def snapshot(self) -> dict[str, Any] | None:
        """Return the change that is under way, or None."""
        return self._persistent.get(CHANGE, SNAPSHOT)

    def begin(self) -> None:
        """Write down what is defined and what is active."""
        if self.snapshot() is not None:
            hint = "commit it or roll it back: `tierhost call interface.interface_change_commit`"
            raise DriverError("there is already a change running", code=Code.OPERATION_INVALID, subject=SUBJECT, hint=hint)
        row = {
            "state": OPEN,
            "boot_id": self._context.boot_id,
            "definitions": self._persistent.all(INTERFACES),
            "active": self._context.run.all(ACTIVE),
        }
        with self._persistent.transaction() as t:
            t.put(CHANGE, SNAPSHOT, row)
            t.reply(None)

    def commit(self) -> None:
        """Keep things as they are, and forget the snapshot."""
        self._need()
        with self._persistent.transaction() as t:
            t.delete(CHANGE, SNAPSHOT)
            t.abandon(ROLLBACK)
            t.reply(None)
        self._context.mend(SUBJECT)

    def rollback(self) -> None:
        """Make everything again what it was when the change began."""
        row = self._need()
        with self._persistent.transaction() as t:
            t.intend(ROLLBACK, {})
            t.put(CHANGE, SNAPSHOT, {**row, "state": ROLLING_BACK})
        self._go_back(row)

    def refuse_while_rolling_back(self) -> None:
        """Raise if a rollback was cut short: what is changed now would be lost, or mixed up."""
        row = self.snapshot()
        if row is not None and row["state"] == ROLLING_BACK:
            hint = "end it: `tierhost call interface.interface_change_rollback`, or keep things as they are: ..._commit"
            raise DriverError("a rollback is not finished", code=Code.OPERATION_INVALID, subject=SUBJECT, hint=hint)

    def resume(self) -> None:
        """After a crash: end a rollback that was under way. After a reboot: roll back what nobody has committed."""
        row = self.snapshot()
        if row is None or (row["state"] == OPEN and row["boot_id"] == self._context.boot_id):
            return
        try:
            # Of another boot nothing is active any more: its definitions are what there is to restore.
            self._go_back(row if row["boot_id"] == self._context.boot_id else {**row, "active": {}})
        except TierhostError as error:
            self._context.degrade(SUBJECT, str(error))

    def _need(self) -> dict[str, Any]:
        row = self.snapshot()
        if row is None:
            hint = "`tierhost call interface.interface_change_begin` begins one"
            raise DriverError("no change is running", code=Code.OPERATION_INVALID, subject=SUBJECT, hint=hint)
        return row

    def _go_back(self, row: Mapping[str, Any]) -> None:
        """Do it again as often as it is cut short: each step is left out where it is done already."""
        then = row["active"]
        failures = [self._stop(name, then.get(name)) for name in self._context.run.all(ACTIVE)]
        self._redefine(row["definitions"])
        failures += [self._start(name, record) for name, record in then.items()]
        told = [failure for failure in failures if failure]
        if told:
            reason = f"{len(told)} interfaces are not as they were: {'; '.join(told[:3])}"
            hint = "mend that and roll back again, or commit to keep things as they are"
            raise DriverError(reason, code=Code.OPERATION_FAILED, subject=SUBJECT, hint=hint)
        with self._persistent.transaction() as t:
            t.delete(CHANGE, SNAPSHOT)
            t.settle(ROLLBACK)
            t.reply(None)
        self._context.mend(SUBJECT)
        self._context.emit("interface-change-rolled-back", SUBJECT, {})

    def _stop(self, name: str, then: Mapping[str, Any] | None) -> str:
        """Stop what was not active then, or was started from something else. Returns what went wrong."""
        try:
            with self._context.jobs.changing(f"interface {name}"):
                self._life.settle_again(name)
                interface = self._interfaces.get(name)
                same = then is not None and self._context.run.get(ACTIVE, name) == then
                if interface is not None and interface.active and not same:
                    self._life.stop(interface, called=False)
        except TierhostError as error:
            return str(error)
        return ""

    def _start(self, name: str, then: Mapping[str, Any]) -> str:
        try:
            with self._context.jobs.changing(f"interface {name}"):
                self._life.settle_again(name)
                interface = self._interfaces.get(name)
                if interface is None or not interface.active:
                    self._life.start(name, interface_xml.read(then["xml"]), called=False)
        except TierhostError as error:
            return str(error)
        return ""

    def _redefine(self, definitions: Mapping[str, Mapping[str, Any]]) -> None:
        with self._persistent.transaction() as t:
            for name in self._persistent.all(INTERFACES):
                if name not in definitions:
                    t.delete(INTERFACES, name)
            for name, row in definitions.items():
                t.put(INTERFACES, name, dict(row))
        self._life.read_definitions()
