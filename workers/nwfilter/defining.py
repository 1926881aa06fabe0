"""The filter calls of libvirt: define, undefine, list, look up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierhost.workers.nwfilter.base import NwfilterBase
from tierhost.workers.nwfilter.binder import LOCK
from tierhost.workers.nwfilter.builtin import builtin_filters
from tierhost.workers.nwfilter.filter_xml import Rule, parse_filter
from tierhost.workers.nwfilter.flags import VALIDATE
from tierhost.workers.nwfilter.records import FILTERS
from tierhost.workers.nwfilter.rules import lacking
from tierhost.workers.runtime.arguments import check_flags
from tierhost.workers.runtime.contract import Code, DriverError, TierhostError, change, read

if TYPE_CHECKING:
    from tierhost.workers.nwfilter.filter_xml import Filter

PORTS_TOLD_MAX = 5


class FilterCalls(NwfilterBase):
    """Filters by name. A filter that ports use is changed on all of them, or on none."""

    @change()
    def nwfilter_define_xml(self, xml: str, flags: int = 0) -> dict[str, Any]:
        """Define a filter, or redefine it (its uuid must be the same). Every port that uses it has the new rules when it returns.

        Refused, with nothing changed, if one of these ports could not have them. Flag 1: hold it against libvirt's schema.
        """
        valid = bool(check_flags(flags, VALIDATE))
        new, unread = parse_filter(xml, valid=valid)
        binder = self.binder
        lacking((part for part in new.parts if isinstance(part, Rule)), binder.features)
        answer = {"name": new.name, "uuid": new.uuid, "unread": list[Any](unread)}
        with self.context.jobs.changing(LOCK):
            filters = binder.filters.admit(new)
            users = binder.users(new.name, filters)
            binder.apply_all(users, filters)
            try:
                with self.context.persistent.transaction() as t:
                    t.put(FILTERS, new.name, {"xml": new.xml})
                    t.reply(answer)
            except TierhostError:
                binder.apply_again(users)
                raise
            binder.filters = filters
        self.context.mend(new.subject)
        self.context.emit("nwfilter-defined", new.name, {"uuid": new.uuid, "ports": [one.port_dev for one in users[:100]]})
        return answer

    @change()
    def nwfilter_undefine(self, nwfilter: str) -> None:
        """Forget a filter, unless a port uses it. A built-in filter that was redefined is then as it was built in."""
        binder = self.binder
        with self.context.jobs.changing(LOCK):
            if self._forget_damaged(nwfilter):
                return
            old = binder.filters.find(nwfilter)
            users = binder.users(old.name, binder.filters)
            if users:
                told = ", ".join(one.port_dev for one in users[:PORTS_TOLD_MAX])
                raise DriverError(f"nwfilter is in use ({told})", code=Code.OPERATION_INVALID, subject=old.subject)
            if old.builtin:
                hint = f"define another with <uuid>{old.uuid}</uuid> in its place"
                raise DriverError("it is built in", code=Code.OPERATION_INVALID, subject=old.subject, hint=hint)
            with self.context.persistent.transaction() as t:
                t.delete(FILTERS, old.name)
                t.reply(None)
            builtin = builtin_filters().get(old.name)
            binder.filters = binder.filters.put(builtin) if builtin else binder.filters.without(old.name)
        self.context.emit("nwfilter-undefined", old.name, {})

    def _forget_damaged(self, name: object) -> bool:
        """Forget a filter of which nothing is left but that it was there."""
        store = self.context.persistent
        if not any(damage.table == FILTERS and damage.key == name for damage in store.damage()):
            return False
        with store.transaction() as t:
            t.delete(FILTERS, str(name))
            t.reply(None)
        return True

    @read(inline=True)
    def nwfilter_list(self, flags: int = 0) -> list[dict[str, Any]]:
        """List the filters, built-in ones included."""
        check_flags(flags)
        return [_shown(one) for _, one in sorted(self.binder.filters.named.items())]

    @read(inline=True)
    def nwfilter_lookup_by_name(self, name: str) -> dict[str, Any]:
        """Show the filter of this name."""
        return _shown(self.binder.filters.find(name))

    @read(inline=True)
    def nwfilter_lookup_by_uuid(self, uuid: str) -> dict[str, Any]:
        """Show the filter of this uuid."""
        return _shown(self.binder.filters.find_uuid(uuid))

    @read(inline=True)
    def nwfilter_get_xml_desc(self, nwfilter: str, flags: int = 0) -> str:
        """Return the definition."""
        check_flags(flags)
        return self.binder.filters.find(nwfilter).xml


def _shown(one: Filter) -> dict[str, Any]:
    return {"name": one.name, "uuid": one.uuid, "chain": one.chain, "priority": one.priority, "builtin": one.builtin}
