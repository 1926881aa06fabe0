"""Bindings and the kernel's rules for them: intent, act, outcome; what is recorded is put back whoever took it away."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tierhost.workers.nwfilter.backend import shape_of
from tierhost.workers.nwfilter.records import BINDINGS, intent_of
from tierhost.workers.nwfilter.rules import PREFIX, count_rules, lacking, table_name
from tierhost.workers.nwfilter.state import Filters, Seen
from tierhost.workers.nwfilter.vigil import Vigil
from tierhost.workers.runtime.contract import Code, DriverError, TierhostError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tierhost.workers.nwfilter.backend import Firewall
    from tierhost.workers.nwfilter.binding import Binding
    from tierhost.workers.nwfilter.rules import Command
    from tierhost.workers.runtime.contract import Context

LOCK: Final = "filters"
"""One lock for all: the kernel makes one transaction at a time anyway, and a filter's change is one for all ports that use it."""

BINDINGS_MAX: Final = 4096
RETRY_MAX_S: Final = 60.0
FOREIGN: Final = "somebody else has put a table in its place: it is left alone, and the port is not filtered by us"


@dataclass(slots=True)
class Applied:
    """What the kernel was told of one port; and, once it was looked at, how the kernel shows that."""

    shape: dict[str, int]
    text: str = ""


class Binder:
    """One life's view of filters, bindings and rules. Whoever changes something holds `LOCK`."""

    def __init__(self, context: Context, firewall: Firewall, features: frozenset[str]) -> None:
        self.context = context
        self.firewall = firewall
        self.features = features
        self.filters = Filters()
        self.bindings: dict[str, Binding] = {}
        self.vigil = Vigil(self._news)
        self._applied: dict[str, Applied] = {}

    # Questions.

    def find(self, port_dev: object) -> Binding:
        """Return the binding of a port, or raise."""
        found = self.bindings.get(port_dev) if isinstance(port_dev, str) else None
        if found is None:
            hint = "`tierhost call nwfilter.nwfilter_binding_list` lists them"
            reason = f"no nwfilter binding for port dev '{port_dev!s:.40}'"
            raise DriverError(reason, code=Code.NO_NWFILTER_BINDING, subject="binding", hint=hint)
        return found

    def users(self, name: str, filters: Filters) -> list[Binding]:
        """The bindings that a filter is part of."""
        return [one for one in self.bindings.values() if name in filters.reached(one.filter)]

    def compose(self, binding: Binding, filters: Filters, *, replace: bool) -> list[Command]:
        """What the kernel is to be told of a binding. Raises DriverError if there is anything that cannot be done for it."""
        try:
            placed = filters.resolve(binding.filter, binding.variables)
            lacking((one.rule for one in placed), self.features)
            return self.firewall.compose(binding.port_dev, placed, replace=replace)
        except DriverError as error:
            error.text = f"{error.subject}: {error.text}" if error.subject else error.text
            error.subject = binding.subject
            raise

    # Changes of one binding.

    def bind(self, binding: Binding, unread: Iterable[str] = ()) -> dict[str, Any]:
        """Filter a port from now on. The rules are in the kernel, and the binding is durable, when it returns."""
        port, old = binding.port_dev, self.bindings.get(binding.port_dev)
        if old is None and len(self.bindings) >= BINDINGS_MAX:
            raise DriverError(f"there are {BINDINGS_MAX} bindings already", code=Code.OVERFLOW, subject=binding.subject)
        seen = self.firewall.look(port)[0]
        if seen is Seen.FOREIGN:
            hint = f"look at it: nft list table bridge {table_name(port)}"
            raise DriverError(f"a table {table_name(port)} exists that we did not make", subject=binding.subject, hint=hint)
        commands = self.compose(binding, self.filters, replace=seen is Seen.OURS)
        run = self.context.run
        run.intend(intent_of(port), {"act": "bind"})
        try:
            self._tell(binding, commands)
            answer = {"port_dev": port, "filter": binding.filter, "rules": count_rules(commands), "unread": list(unread)}
            with run.transaction() as t:
                t.put(BINDINGS, port, binding.row())
                t.settle(intent_of(port))
                t.reply(answer)
        except TierhostError:
            self._undo(port, old)
            raise
        self.bindings = {**self.bindings, port: binding}
        self.vigil.begin()
        self.context.mend(binding.subject)
        self.context.emit("binding-created", port, {"filter": binding.filter, "owner": binding.owner})
        return answer

    def _undo(self, port: str, old: Binding | None) -> None:
        """Leave it as it was before a bind that is reported as failed."""
        try:
            if old is not None:
                self.apply_again([old])
            else:
                self.firewall.remove(port, f"binding {port}")
            with self.context.run.transaction() as t:
                t.abandon(intent_of(port))
        except TierhostError as error:
            # The intent stays: the next bind of the port, or the next life, settles it by what the kernel shows then.
            self.context.degrade(f"binding {port}", f"a change failed and could not be undone: {error}")

    def unbind(self, port: str) -> None:
        """Filter a port no longer; also one whose record was lost."""
        run = self.context.run
        run.intend(intent_of(port), {"act": "unbind"})
        old = self.bindings.get(port)
        # forgotten first, so that whoever sees the table go does not put it back
        self.bindings = {name: one for name, one in self.bindings.items() if name != port}
        try:
            self.firewall.remove(port, f"binding {port}")
        except TierhostError:
            if old is not None:
                self.bindings = {**self.bindings, port: old}
            with run.transaction() as t:
                t.abandon(intent_of(port))
            raise
        with run.transaction() as t:
            t.delete(BINDINGS, port)
            t.settle(intent_of(port))
            t.reply(None)
        self._applied.pop(port, None)
        self.context.mend(f"binding {port}")
        self.context.emit("binding-deleted", port, {})

    # Changes of many.

    def apply_all(self, bindings: Sequence[Binding], filters: Filters) -> None:
        """Bring bindings to what these filters say, one transaction each. If one fails, all are brought back, and it raises."""
        seen = {binding.port_dev: self.firewall.look(binding.port_dev)[0] for binding in bindings}
        ready = [(one, self.compose(one, filters, replace=seen[one.port_dev] is Seen.OURS)) for one in bindings]
        tried = []
        try:
            for binding, commands in ready:
                tried.append(binding)
                if seen[binding.port_dev] is not Seen.FOREIGN:
                    self._tell(binding, commands)
        except TierhostError:
            self.apply_again(tried)
            raise

    def apply_again(self, bindings: Iterable[Binding]) -> list[Binding]:
        """Bring bindings to what is recorded; returns those that are. What fails is shown, and tried again later."""
        return [binding for binding in bindings if self._try(binding, 1)]

    def _try(self, binding: Binding, attempt: int) -> bool:
        try:
            seen = self.firewall.look(binding.port_dev)[0]
            if seen is Seen.FOREIGN:
                self.context.degrade(binding.subject, FOREIGN)
                return False
            self._tell(binding, self.compose(binding, self.filters, replace=seen is Seen.OURS))
        except TierhostError as error:
            self.trouble(binding, str(error), attempt)
            return False
        self.context.mend(binding.subject)
        return True

    def trouble(self, binding: Binding, why: str, attempt: int = 1) -> None:
        """Show that a binding's rules are not known to be in place, and try again later."""
        self.context.degrade(binding.subject, f"its rules could not be applied: {why}")
        self.context.later(min(RETRY_MAX_S, 2.0 ** min(attempt, 10)), partial(self._retry, binding, attempt + 1))

    def _retry(self, binding: Binding, attempt: int) -> None:
        with self.context.jobs.changing(LOCK):
            if self.bindings.get(binding.port_dev) == binding:
                self._try(binding, attempt)

    def _tell(self, binding: Binding, commands: list[Command]) -> None:
        self.firewall.change(commands, binding.subject)
        self.note(binding.port_dev, commands)

    def note(self, port: str, commands: list[Command]) -> None:
        """Remember what the kernel was told of a port."""
        self._applied[port] = Applied(shape_of(commands))

    # Somebody else's doings.

    def _news(self, tables: set[str] | None) -> None:
        """Tables changed: by us, or by somebody who did not ask us."""
        known = self.bindings
        names = known if tables is None else [name.removeprefix(PREFIX) for name in tables if name.startswith(PREFIX)]
        for port in names:
            if port in known:
                try:
                    with self.context.jobs.changing(LOCK):
                        self.check(port)
                except TierhostError as error:
                    self.trouble(known[port], str(error))

    def check(self, port: str) -> None:
        """Look whether a port's rules are as we made them; if not, make them again. Hold `LOCK`."""
        binding, applied = self.bindings.get(port), self._applied.get(port)
        if binding is None:
            return
        seen, found = self.firewall.look(port)
        whole = seen is Seen.OURS and applied is not None and found.shape == applied.shape
        if whole and applied is not None and found.text == (applied.text or found.text):
            applied.text = found.text
            return
        if self._try(binding, 1):
            why = "its table was gone" if seen is Seen.ABSENT else "its table was changed"
            self.context.emit("binding-reapplied", port, {"why": why})
