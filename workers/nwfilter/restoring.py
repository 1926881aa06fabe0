"""What initialize does: records, intents and the kernel's tables are brought together, and every port has its rules again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierhost.workers.nwfilter.binding import Binding
from tierhost.workers.nwfilter.builtin import builtin_filters
from tierhost.workers.nwfilter.filter_xml import parse_filter
from tierhost.workers.nwfilter.records import BINDINGS, FILTERS, intent_of
from tierhost.workers.nwfilter.state import Filters, Intent, Seen, Settlement, settle
from tierhost.workers.runtime.contract import DriverError, TierhostError

if TYPE_CHECKING:
    from tierhost.workers.nwfilter.binder import Binder
    from tierhost.workers.nwfilter.rules import Command
    from tierhost.workers.runtime.contract import Context


def load_filters(context: Context) -> Filters:
    """Read every filter: the built-in ones, and what somebody defined, which goes before."""
    found = builtin_filters()
    for name, row in context.persistent.all(FILTERS).items():
        try:
            found[name] = parse_filter(row["xml"])[0]
        except DriverError as error:
            context.degrade(f"filter {name}", f"its definition is not understood: {error}")
    return Filters(found)


def restore(binder: Binder) -> None:
    """Settle every port. Raises DriverError if the kernel does not answer."""
    run = binder.context.run
    binder.filters = load_filters(binder.context)
    recorded = {port: Binding.from_row(row) for port, row in run.all(BINDINGS).items()}
    intents = {key.partition(" ")[2]: Intent(facts["act"]) for key, facts in run.intents().items()}
    seen = binder.firewall.ports()
    again: list[Binding] = []
    lost: set[str] = set()
    for port in sorted({*recorded, *intents, *seen}):
        intent, shown = intents.get(port, Intent.NONE), seen.get(port, Seen.ABSENT)
        settlement = settle(recorded=port in recorded, intent=intent, seen=shown)
        if settlement in {Settlement.APPLY, Settlement.APPLY_LOST, Settlement.REPORT_FOREIGN}:
            binder.bindings[port] = recorded[port]
            if settlement is not Settlement.REPORT_FOREIGN:
                again.append(recorded[port])
            if settlement is Settlement.APPLY_LOST:
                lost.add(port)
        _settle(binder, port, settlement, under_way=intent is not Intent.NONE)
    if binder.bindings:
        binder.vigil.begin()
    for binding in _apply(binder, again, seen):
        if binding.port_dev in lost:
            binder.context.emit("binding-reapplied", binding.port_dev, {"why": "its table was gone"})


def _settle(binder: Binder, port: str, settlement: Settlement, *, under_way: bool) -> None:
    context, subject = binder.context, f"binding {port}"
    if settlement in {Settlement.UNDO_BIND, Settlement.COMPLETE_UNBIND}:
        binder.firewall.remove(port, subject)
        with context.run.transaction() as t:
            if settlement is Settlement.UNDO_BIND:
                t.abandon(intent_of(port))
            else:
                t.delete(BINDINGS, port)
                t.settle(intent_of(port))
        return
    if under_way:
        with context.run.transaction() as t:
            t.abandon(intent_of(port))
    if settlement is Settlement.REPORT_FOREIGN:
        context.degrade(subject, "somebody else has put a table in its place: it is left alone")
    if settlement is Settlement.REPORT_UNRECORDED:
        reason = "its rules are in the kernel and its record is lost: they stay until the port is bound again, or deleted"
        context.degrade(subject, reason)


def _apply(binder: Binder, bindings: list[Binding], seen: dict[str, Seen]) -> list[Binding]:
    """Bring all ports to what is recorded, in one transaction; if that is refused, in one for each. Returns those that are."""
    commands: list[Command] = []
    ready = []
    for binding in bindings:
        try:
            made = binder.compose(binding, binder.filters, replace=seen.get(binding.port_dev) is Seen.OURS)
        except DriverError as error:
            # What the kernel has stays: it was right once, and nothing would be worse.
            binder.trouble(binding, str(error))
            continue
        commands += made
        ready.append((binding, made))
    if not ready:
        return []
    try:
        binder.firewall.change(commands, "bindings")
    except TierhostError:
        return binder.apply_again([binding for binding, _ in ready])
    for binding, made in ready:
        binder.note(binding.port_dev, made)
        binder.context.mend(binding.subject)
    return [binding for binding, _ in ready]
