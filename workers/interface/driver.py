"""The interface driver's methods, by libvirt's names."""

from __future__ import annotations

import threading
import weakref
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tierhost.workers.interface import interface_xml, vigil
from tierhost.workers.interface.asking import InterfaceQuestions
from tierhost.workers.interface.backend import Links
from tierhost.workers.interface.changing import Changing
from tierhost.workers.interface.life import INTERFACES
from tierhost.workers.interface.registry import Interface, Interfaces
from tierhost.workers.interface.restoring import InterfaceLife
from tierhost.workers.interface.vigil import Vigil
from tierhost.workers.runtime.arguments import check_flags
from tierhost.workers.runtime.contract import Code, DriverError, InhibitCallback, InitResult, TierhostError, change, read
from tierhost.workers.runtime.ending import End

if TYPE_CHECKING:
    from collections.abc import Iterator

INTERFACES_MAX = 1024


class InterfaceDriver(InterfaceQuestions):
    """Keeps definitions of this machine's interfaces, starts and stops them, and can take a change of several back."""

    _life: InterfaceLife
    _changing: Changing
    _vigil: Vigil
    _end: End | None = None

    def state_initialize(self, *, privileged: bool, inhibit: InhibitCallback) -> InitResult:
        """Read the records, look at the links, settle what was under way. Starts nothing that was not active."""
        self.links, self.interfaces = Links(), Interfaces()
        try:
            self.links.world()
        except DriverError as error:
            return self.skip(f"{error}: there is no interface to drive for this process")
        self._life = InterfaceLife(self.context, self.links, self.interfaces)
        self._changing = Changing(self.context, self.interfaces, self._life)
        self._life.restore()
        self._changing.resume()
        self._keep_vigil()
        return InitResult.COMPLETE

    def _keep_vigil(self) -> None:
        """Notice, from now on, when somebody else changes what was started here."""
        self._vigil, self._end = Vigil(self.context, self.links, self.interfaces), End()
        # The thread must not keep a driver alive that nobody wants any more.
        weakref.finalize(self._vigil, self._end.put)
        args = (weakref.ref(self._vigil), vigil.listen(), self._end)
        threading.Thread(target=vigil.keep, args=args, name="vigil", daemon=True).start()

    def state_cleanup(self) -> None:
        """Stop listening. Interfaces are the kernel's, and stay."""
        if self._end is not None:
            self._end.put()

    def state_auto_start(self) -> None:
        """Start what is defined with <start mode='onboot'/>. One that fails is shown as degraded; the others start."""
        for interface in self.interfaces.all():
            if interface.defined is None or not interface.defined.onboot or interface.active:
                continue
            try:
                with self._having(interface.name) as found:
                    if found.defined is not None and not found.active:
                        self._life.start(found.name, found.defined)
            except TierhostError as error:
                self.context.degrade(interface.subject, f"autostart failed: {error}")

    def state_reload(self) -> None:
        """Look at every active interface again, and make what is missing; nothing else is started or stopped."""
        self._life.look_again()

    def objects(self) -> dict[str, dict[str, int]]:
        """Count what is defined or active here."""
        known = self.interfaces.all()
        active = sum(1 for interface in known if interface.active)
        return {"interfaces": {"active": active, "inactive": len(known) - active}}

    @change()
    def interface_define_xml(self, xml: str, flags: int = 0) -> dict[str, Any]:
        """Define an interface, or change a definition; an active one stays as it was started until it is stopped.

        Flag 1 holds it against libvirt's schema. Returns its name, and what in the XML nobody acts on.
        """
        definition = interface_xml.read(xml, check_flags(flags, interface_xml.DEFINE_VALIDATE))
        answer = {"name": definition.name, "unread": list(definition.unread)}
        with self.context.jobs.changing(f"interface {definition.name}"):
            self._changing.refuse_while_rolling_back()
            known = self.interfaces.get(definition.name) or Interface(definition.name)
            if known.defined is None and len(self.interfaces.all()) >= INTERFACES_MAX:
                reason = f"{INTERFACES_MAX} interfaces are defined already"
                raise DriverError(reason, code=Code.OVERFLOW, subject=known.subject, hint="undefine one")
            with self.context.persistent.transaction() as t:
                t.put(INTERFACES, definition.name, {"xml": definition.xml})
                t.reply(answer)
            self.interfaces.put(replace(known, defined=definition))
        self.context.emit("interface-defined", definition.name, {})
        return answer

    @change()
    def interface_undefine(self, name: str) -> None:
        """Forget a definition. An active interface stays active until it is stopped, and is gone then."""
        with self._having(name) as found:
            if found.defined is None:
                reason = "it is not defined, only active"
                raise DriverError(reason, code=Code.OPERATION_INVALID, subject=found.subject, hint="destroy it")
            with self.context.persistent.transaction() as t:
                t.delete(INTERFACES, found.name)
                t.reply(None)
            self.interfaces.put(replace(found, defined=None))
            if not found.active:
                self.context.mend(found.subject)
        self.context.emit("interface-undefined", found.name, {})

    @change()
    def interface_create(self, name: str, flags: int = 0) -> None:
        """Start a defined interface; from now on it is active after every crash, until it is stopped or the machine boots."""
        check_flags(flags)
        with self._having(name) as found:
            if found.active:
                raise DriverError("it is already active", code=Code.OPERATION_INVALID, subject=found.subject)
            assert found.defined is not None
            self._life.start(found.name, found.defined)

    @change()
    def interface_destroy(self, name: str, flags: int = 0) -> None:
        """Stop an active interface: devices we made go, cards are set back to what they were."""
        check_flags(flags)
        with self._having(name) as found:
            if not found.active:
                hint = f"`tierhost call interface.interface_create {found.name}` starts it"
                raise DriverError("it is not active", code=Code.OPERATION_INVALID, subject=found.subject, hint=hint)
            self._life.stop(found)

    @change()
    def interface_change_begin(self, flags: int = 0) -> None:
        """Remember what is defined and active now, until commit or rollback. A reboot before that rolls back."""
        check_flags(flags)
        with self.context.jobs.changing("interface change"):
            self._changing.begin()

    @read(inline=True)
    def interface_change_state(self) -> str:
        """Say whether a change is "open", is "rolling back" (cut short), or there is "none". Not a call of libvirt's."""
        snapshot = self._changing.snapshot()
        return "none" if snapshot is None else str(snapshot["state"])

    @change()
    def interface_change_commit(self, flags: int = 0) -> None:
        """Keep what was changed since begin."""
        check_flags(flags)
        with self.context.jobs.changing("interface change"):
            self._changing.commit()

    @change()
    def interface_change_rollback(self, flags: int = 0) -> None:
        """Make definitions and active interfaces again what they were at begin."""
        check_flags(flags)
        with self.context.jobs.changing("interface change"):
            self._changing.rollback()

    @contextmanager
    def _having(self, name: object) -> Iterator[Interface]:
        """Have an interface to oneself, as it is once one has it and what was left open is settled."""
        with self.context.jobs.changing(self.interfaces.find(name).subject):
            self._changing.refuse_while_rolling_back()
            found = self.interfaces.find(name)
            self._life.settle_again(found.name)
            yield self.interfaces.find(found.name)
