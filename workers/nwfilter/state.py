"""All filters and what follows from them: look-ups, loops, who uses what; and what becomes of a binding after a crash. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

from tierhost.workers.nwfilter.filter_xml import Reference
from tierhost.workers.nwfilter.variables import Unresolvable
from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.workers.nwfilter.filter_xml import Filter, Rule
    from tierhost.workers.nwfilter.variables import Variables

RULES_OF_PORT_MAX: Final = 4096
VISITS_MAX: Final = 16_384
DEPTH_MAX: Final = 64
FILTERS_MAX: Final = 4096
LIST_HINT: Final = "`tierhost call nwfilter.nwfilter_list` lists them"


class NoFilter(DriverError):
    """Raised when there is no such filter."""

    code = Code.NO_NWFILTER


@dataclass(frozen=True, slots=True)
class Placed:
    """One rule on its way to a port: the chain its filter is for, and what its variables are there."""

    rule: Rule
    chain: str
    chain_priority: int
    variables: Variables
    filter: str


@dataclass(frozen=True, slots=True)
class Filters:
    """Every filter by name; replaced as a whole, so that readers need no lock."""

    named: Mapping[str, Filter] = field(default_factory=dict)

    def find(self, name: object) -> Filter:
        """Return a filter by its name or its uuid. Raises NoFilter."""
        if isinstance(name, str):
            found = self.named.get(name) or self._by_uuid(name)
            if found is not None:
                return found
        raise NoFilter(f"no nwfilter with matching name '{name!s:.120}'", subject="filter", hint=LIST_HINT)

    def find_uuid(self, uuid: object) -> Filter:
        """Return a filter by its uuid. Raises NoFilter."""
        found = self._by_uuid(str(uuid))
        if found is None:
            raise NoFilter(f"no nwfilter with matching uuid '{uuid!s:.64}'", subject="filter", hint=LIST_HINT)
        return found

    def _by_uuid(self, uuid: str) -> Filter | None:
        wanted = uuid.lower()
        return next((one for one in self.named.values() if one.uuid == wanted), None)

    def admit(self, new: Filter) -> Filters:
        """Return the filters with this one among them. Raises DriverError where libvirt would not take it."""
        same = self._by_uuid(new.uuid)
        if same is not None and same.name != new.name:
            reason = f"filter with same UUID but different name ('{same.name}') already exists"
            raise DriverError(reason, code=Code.OPERATION_FAILED, subject=new.subject)
        old = self.named.get(new.name)
        if old is not None and old.uuid != new.uuid:
            reason = f"filter '{new.name}' already exists with uuid {old.uuid}"
            hint = f"to redefine it write <uuid>{old.uuid}</uuid>"
            raise DriverError(reason, code=Code.OPERATION_FAILED, subject=new.subject, hint=hint)
        if old is None and len(self.named) >= FILTERS_MAX:
            raise DriverError(f"there are {FILTERS_MAX} filters already", code=Code.OVERFLOW, subject=new.subject)
        after = self.put(new)
        loop = after.loop(new.name)
        if loop:
            raise DriverError(f"filter would introduce a loop: {' > '.join(loop)}", subject=new.subject)
        return after

    def put(self, new: Filter) -> Filters:
        """Return the filters with this one in its place."""
        return Filters({**self.named, new.name: new})

    def without(self, name: str) -> Filters:
        """Return the filters without this one."""
        return Filters({other: one for other, one in self.named.items() if other != name})

    def loop(self, name: str) -> list[str]:
        """A way from a filter back to itself; nothing if there is none."""
        came_from: dict[str, str] = {}
        open_ = [name]
        while open_:
            here = open_.pop()
            for there in self.named[here].references if here in self.named else ():
                if there == name:
                    way = [here, name]
                    while way[0] != name:
                        way.insert(0, came_from[way[0]])
                    return way
                if there not in came_from:
                    came_from[there] = here
                    open_.append(there)
        return []

    def reached(self, name: str) -> set[str]:
        """The filters that one stands for: itself, and whatever it refers to, near or far."""
        found: set[str] = set()
        open_ = [name]
        while open_:
            here = open_.pop()
            if here not in found:
                found.add(here)
                open_ += self.named[here].references if here in self.named else ()
        return found

    def resolve(self, name: str, given: Variables) -> list[Placed]:
        """Return the rules of a filter and of all it refers to, in their order. Raises Unresolvable.

        What the port gives goes before what a reference gives.
        """
        placed: list[Placed] = []
        visits = 0

        def visit(here: str, variables: Variables, way: tuple[str, ...]) -> None:
            nonlocal visits
            visits += 1
            one = self.named.get(here)
            if one is None:
                reason = f"referenced filter '{here}' is missing" + (f" (it is named by '{way[-1]}')" if way else "")
                raise Unresolvable(reason, subject=f"filter {name}", hint="define it, or take the reference out")
            if here in way:
                raise Unresolvable(f"a loop of references: {' > '.join((*way, here))}", subject=f"filter {name}")
            for part in one.parts:
                if isinstance(part, Reference):
                    visit(part.filter, {**part.parameters, **variables}, (*way, here))
                else:
                    placed.append(Placed(part, one.chain, one.priority, variables, here))
                if len(way) > DEPTH_MAX or visits > VISITS_MAX or len(placed) > RULES_OF_PORT_MAX:
                    reason = f"its references make more than {RULES_OF_PORT_MAX} rules, or go deeper than {DEPTH_MAX}"
                    raise Unresolvable(reason, code=Code.OVERFLOW, subject=f"filter {name}")

        visit(name, given, ())
        return placed


class Seen(Enum):
    """What the kernel shows of a port's table."""

    ABSENT = "absent"
    OURS = "ours"
    FOREIGN = "foreign"
    """A table of this name without our mark: somebody else made it."""


class Intent(Enum):
    """What was under way when the last life ended."""

    NONE = "none"
    BIND = "bind"
    UNBIND = "unbind"


class Settlement(Enum):
    """What initialize does with one port."""

    NOTHING = "nothing"
    APPLY = "apply what is recorded, in place of whatever is there"
    APPLY_LOST = "the rules are gone: apply what is recorded, and say so"
    REPORT_FOREIGN = "recorded, and somebody else has a table there: report, touch nothing"
    REPORT_UNRECORDED = "our rules without a record: they stay, and are reported"
    UNDO_BIND = "the binding was never acknowledged: take it away"
    COMPLETE_UNBIND = "take away what is left"


def _row(absent: Settlement, ours: Settlement, foreign: Settlement) -> dict[Seen, Settlement]:
    return dict(zip(Seen, (absent, ours, foreign), strict=True))


SETTLEMENTS: Final[dict[tuple[bool, Intent], dict[Seen, Settlement]]] = {
    # (recorded, what was under way) -> by what is seen: no table, our table, somebody else's
    (False, Intent.NONE): _row(Settlement.NOTHING, Settlement.REPORT_UNRECORDED, Settlement.NOTHING),
    (False, Intent.BIND): _row(Settlement.UNDO_BIND, Settlement.UNDO_BIND, Settlement.UNDO_BIND),
    (False, Intent.UNBIND): _row(Settlement.COMPLETE_UNBIND, Settlement.COMPLETE_UNBIND, Settlement.COMPLETE_UNBIND),
    (True, Intent.NONE): _row(Settlement.APPLY_LOST, Settlement.APPLY, Settlement.REPORT_FOREIGN),
    # A binding that was to be replaced by another of its owner: nobody heard that it was, so it is as it was.
    (True, Intent.BIND): _row(Settlement.APPLY_LOST, Settlement.APPLY, Settlement.REPORT_FOREIGN),
    (True, Intent.UNBIND): _row(Settlement.COMPLETE_UNBIND, Settlement.COMPLETE_UNBIND, Settlement.COMPLETE_UNBIND),
}


def settle(*, recorded: bool, intent: Intent, seen: Seen) -> Settlement:
    """Decide what becomes of a port's binding, from its record, what was under way, and what the kernel has."""
    return SETTLEMENTS[recorded, intent][seen]
