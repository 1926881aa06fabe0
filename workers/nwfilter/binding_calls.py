"""The binding calls of libvirt: put a filter on a port, take it away, list, look up."""

from __future__ import annotations

from typing import Any

from tierhost.workers.nwfilter.base import NwfilterBase
from tierhost.workers.nwfilter.binder import LOCK
from tierhost.workers.nwfilter.binding import PORT_DEV, parse_binding
from tierhost.workers.nwfilter.flags import VALIDATE
from tierhost.workers.nwfilter.records import BINDINGS
from tierhost.workers.nwfilter.state import Seen
from tierhost.workers.runtime.arguments import check_flags
from tierhost.workers.runtime.contract import Code, DriverError, change, read


class BindingCalls(NwfilterBase):
    """Bindings by port device."""

    @change()
    def nwfilter_binding_create_xml(self, xml: str, flags: int = 0) -> dict[str, Any]:
        """Filter a port from now on, which need not be there yet. Flag 1: hold the XML against libvirt's schema."""
        valid = bool(check_flags(flags, VALIDATE))
        binding, unread = parse_binding(xml, valid=valid)
        with self.context.jobs.changing(LOCK):
            if binding.port_dev in self.binder.bindings:
                hint = f"`tierhost call nwfilter.nwfilter_binding_delete {binding.port_dev}` ends that one"
                raise DriverError("it exists already", code=Code.OPERATION_FAILED, subject=binding.subject, hint=hint)
            return self.binder.bind(binding, unread)

    @change()
    def nwfilter_binding_delete(self, port_dev: str) -> None:
        """Filter a port no longer."""
        with self.context.jobs.changing(LOCK):
            if not self._is_left_over(port_dev):
                self.binder.find(port_dev)
            self.binder.unbind(port_dev)

    def _is_left_over(self, port_dev: object) -> bool:
        """Whether there is a binding of ours whose record was lost."""
        if not isinstance(port_dev, str) or not PORT_DEV.match(port_dev):
            return False
        damaged = any(damage.table == BINDINGS and damage.key == port_dev for damage in self.context.run.damage())
        return damaged or self.binder.firewall.look(port_dev)[0] is Seen.OURS

    @read(inline=True)
    def nwfilter_binding_list(self, flags: int = 0) -> list[dict[str, Any]]:
        """List the bindings."""
        check_flags(flags)
        return [one.shown() for _, one in sorted(self.binder.bindings.items())]

    @read(inline=True)
    def nwfilter_binding_lookup_by_port_dev(self, port_dev: str) -> dict[str, Any]:
        """Show the binding of a port."""
        return self.binder.find(port_dev).shown()

    @read(inline=True)
    def nwfilter_binding_get_xml_desc(self, port_dev: str, flags: int = 0) -> str:
        """Return the binding as libvirt writes it."""
        check_flags(flags)
        return self.binder.find(port_dev).xml()
