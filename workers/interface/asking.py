"""The interface calls of libvirt that change nothing. They show every interface there is, also those that are not ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierhost.workers.interface.flags import LIST_ACTIVE, LIST_INACTIVE, XML_INACTIVE
from tierhost.workers.interface.live_xml import live_xml
from tierhost.workers.runtime.arguments import check_flags
from tierhost.workers.runtime.contract import Code, DriverError, StateDriver, read

if TYPE_CHECKING:
    from tierhost.workers.interface.backend import Links
    from tierhost.workers.interface.registry import Interface, Interfaces
    from tierhost.workers.interface.state import Link, World


class InterfaceQuestions(StateDriver):
    """What is there, what is active, how it is defined."""

    links: Links
    interfaces: Interfaces

    @read()
    def interface_list(self, flags: int = 0) -> list[dict[str, Any]]:
        """List the interfaces: those defined here, and whatever else is no port of another. Flags: 1 inactive, 2 active."""
        check_flags(flags, LIST_INACTIVE | LIST_ACTIVE)
        world = self.links.world()
        wanted = {bool(flag == LIST_ACTIVE) for flag in (LIST_INACTIVE, LIST_ACTIVE) if flags & flag} or {True, False}
        return [row for row in self._rows(world) if row["active"] in wanted]

    @read()
    def interface_lookup_by_name(self, name: str) -> dict[str, Any]:
        """Show one interface."""
        return self._row(*self._find(name, self.links.world()))

    @read()
    def interface_lookup_by_mac_string(self, mac: str) -> dict[str, Any]:
        """Show the interface with this hardware address; several (a bridge and its card) are an error."""
        world = self.links.world()
        found = [row for row in self._rows(world) if isinstance(mac, str) and row["mac"] == mac.lower()]
        if len(found) > 1:
            names = ", ".join(row["name"] for row in found[:4])
            reason = f"multiple interfaces have the address: {names}"
            raise DriverError(reason, code=Code.MULTIPLE_INTERFACES, subject=f"interface {mac}", hint="look it up by name")
        if not found:
            raise _no_interface(mac)
        return found[0]

    @read()
    def interface_is_active(self, name: str) -> bool:
        """Whether it is active: started here and still there; or, if it is not ours, up."""
        return bool(self._row(*self._find(name, self.links.world()))["active"])

    @read()
    def interface_get_xml_desc(self, name: str, flags: int = 0) -> str:
        """Describe it as it is; with flag 1 (inactive), or while it is not there, as it is defined."""
        check_flags(flags, XML_INACTIVE)
        world = self.links.world()
        interface, link = self._find(name, world)
        if flags & XML_INACTIVE or link is None:
            definition = interface.defined or (interface.live.definition if interface.live else None) if interface else None
            if definition is None:
                reason = "it has no definition here"
                raise DriverError(reason, code=Code.NO_INTERFACE, subject=f"interface {name}", hint="ask without flag 1")
            return definition.xml
        return live_xml(link, world)

    def _rows(self, world: World) -> list[dict[str, Any]]:
        known = {interface.name: interface for interface in self.interfaces.all()}
        others = {name for name, link in world.links.items() if not link.master}
        return [self._row(known.get(name), world.get(name)) for name in sorted(known.keys() | others)]

    def _find(self, name: object, world: World) -> tuple[Interface | None, Link | None]:
        interface = self.interfaces.get(name)
        link = world.get(name) if isinstance(name, str) else None
        if interface is None and link is None:
            raise _no_interface(name)
        return interface, link

    @staticmethod
    def _row(interface: Interface | None, link: Link | None) -> dict[str, Any]:
        if interface is None:
            active = link is not None and link.up
        else:
            # Something else may have its name: then it is not there, whatever the record says.
            index = interface.live.indexes.get(interface.name) if interface.live else None
            active = interface.active and link is not None and index in {None, link.index}
        return {
            "name": interface.name if interface else link.name if link else "",
            "mac": link.mac if link else "",
            "active": active,
            "defined": interface is not None and interface.defined is not None,
        }


def _no_interface(name: object) -> DriverError:
    hint = "`tierhost call interface.interface_list` lists them"
    return DriverError(f"couldn't find interface '{str(name)[:60]}'", code=Code.NO_INTERFACE, subject="interface", hint=hint)
