"""The single steps that start and stop an interface, each of which can be seen to hold in the world; and their order. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from tierhost.workers.interface.state import Seen, World

if TYPE_CHECKING:
    from tierhost.workers.interface.definition import Part


@dataclass(frozen=True, slots=True)
class Make:
    """Make a device under an index of our choice, which nobody else's has."""

    name: str
    kind: str
    index: int
    options: Mapping[str, Any]
    parent: str = ""

    def holds(self, world: World) -> bool:
        """Our device is there."""
        return _is_ours(world, self.name, self.index)


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a device that we made."""

    name: str
    index: int

    def holds(self, world: World) -> bool:
        """Our device is not there; one of the same name with another index is somebody else's."""
        return not _is_ours(world, self.name, self.index)


@dataclass(frozen=True, slots=True)
class Attach:
    """Make a device a port."""

    name: str
    master: str

    def holds(self, world: World) -> bool:
        """It is a port of that one."""
        link = world.get(self.name)
        return link is not None and link.master == self.master


@dataclass(frozen=True, slots=True)
class Detach:
    """Let a port go."""

    name: str
    master: str

    def holds(self, world: World) -> bool:
        """It is no port of that one."""
        return not Attach(self.name, self.master).holds(world)


@dataclass(frozen=True, slots=True)
class Mtu:
    """Set how large a packet may be."""

    name: str
    mtu: int

    def holds(self, world: World) -> bool:
        """It is so."""
        link = world.get(self.name)
        return link is not None and link.mtu == self.mtu


@dataclass(frozen=True, slots=True)
class Switch:
    """Set a device up or down. `unless` names a master under which it may be as it likes."""

    name: str
    up: bool
    unless: str = ""

    def holds(self, world: World) -> bool:
        """It is so."""
        link = world.get(self.name)
        return link is not None and (link.up == self.up or bool(self.unless and link.master == self.unless))


@dataclass(frozen=True, slots=True)
class Address:
    """Give a device an address, or take it away."""

    name: str
    written: str
    wanted: bool = True

    def holds(self, world: World) -> bool:
        """It is so."""
        link = world.get(self.name)
        return (link is not None and self.written in link.addresses) == self.wanted


@dataclass(frozen=True, slots=True)
class Gateway:
    """Route everything over a gateway, or no more."""

    name: str
    gateway: str
    wanted: bool = True

    def holds(self, world: World) -> bool:
        """It is so."""
        link = world.get(self.name)
        return (link is not None and self.gateway in link.gateways) == self.wanted


Step: TypeAlias = Make | Delete | Attach | Detach | Mtu | Switch | Address | Gateway
Indexes: TypeAlias = Mapping[str, int]
"""The devices that we make: their names, and the index that we chose for each."""


def start_steps(part: Part, indexes: Indexes) -> list[Step]:
    """List what makes this part and all below it; done in this order, those that hold already left out."""
    steps: list[Step] = []
    if part.made:
        steps.append(Make(part.name, part.kind, indexes.get(part.name, 0), part.options, part.parent))
    for port in part.ports:
        steps += start_steps(port, indexes) if port.made else []
        if part.kind == "bond":
            # A bond takes only what is down, and sets it up itself.
            steps.append(Switch(port.name, up=False, unless=part.name))
        steps.append(Attach(port.name, part.name))
        steps.append(Switch(port.name, up=True))
    if part.mtu:
        steps.append(Mtu(part.name, part.mtu))
    steps += [Address(part.name, written) for written in part.addresses]
    steps.append(Switch(part.name, up=True))
    steps += [Gateway(part.name, gateway) for gateway in part.gateways]
    return steps


def stop_steps(part: Part, indexes: Indexes, before: Mapping[str, Mapping[str, Any]], world: World) -> list[Step]:
    """List what takes this part and all below it away: what we made goes, what was there before is as it was `before`."""
    steps: list[Step] = []
    if part.made:
        # What is on it goes with it: addresses, routes, the hold on its ports.
        steps.append(Delete(part.name, indexes.get(part.name, 0)))
    else:
        steps += [Gateway(part.name, gateway, wanted=False) for gateway in part.gateways]
        steps += [Address(part.name, written, wanted=False) for written in part.addresses]
        steps += _set_back(part, before.get(part.name, {}), world)
    for port in part.ports:
        if _is_ours(world, part.name, indexes.get(part.name, 0)):
            steps.append(Detach(port.name, part.name))
        steps += stop_steps(port, indexes, before, world)
    return steps


def _set_back(part: Part, before: Mapping[str, Any], world: World) -> list[Step]:
    """What a device that was there before had: only where it still is, and where we know it."""
    link = world.get(part.name)
    if link is None or not before or before.get("index") != link.index:
        return []
    return [Switch(part.name, up=bool(before["up"])), *([Mtu(part.name, int(before["mtu"]))] if part.mtu else [])]


def pending(steps: list[Step], world: World) -> list[Step]:
    """Return the steps that do not hold."""
    return [step for step in steps if not step.holds(world)]


def picture(part: Part, world: World) -> dict[str, dict[str, Any]]:
    """What the devices that are there already have now, to set them back to later."""
    found = {}
    for each in part.all():
        link = None if each.made else world.get(each.name)
        if link is not None:
            found[each.name] = {"index": link.index, "up": link.up, "mtu": link.mtu}
    return found


def told(step: Step) -> str:
    """Say what it means that a step does not hold."""
    match step:
        case Attach(name=name, master=master):
            return f"'{name}' is no port of '{master}'"
        case Switch(name=name, up=up):
            return f"'{name}' is {'down' if up else 'up'}"
        case Mtu(name=name, mtu=mtu):
            return f"the MTU of '{name}' is not {mtu}"
        case Address(name=name, written=written):
            return f"'{name}' has not the address {written}"
        case Gateway(name=name, gateway=gateway):
            return f"'{name}' does not route over {gateway}"
        case _:
            return f"'{step.name}' is not ours"


def look(part: Part, indexes: Indexes, world: World) -> Seen:
    """Say what the world shows of an interface that was started with these indexes."""
    link = world.get(part.name)
    ours = [name for name, index in indexes.items() if _is_ours(world, name, index)]
    if link is None:
        return Seen.PARTIAL if ours else Seen.ABSENT
    if part.made and link.index != indexes.get(part.name):
        return Seen.FOREIGN
    if part.mac and link.mac != part.mac and not part.made:
        return Seen.FOREIGN
    missing = pending(start_steps(part, indexes), world)
    if not missing:
        return Seen.WHOLE
    untouched = not part.made and not link.up and not link.addresses & set(part.addresses)
    return Seen.ABSENT if untouched else Seen.PARTIAL


def obstacle(part: Part, world: World) -> str:
    """Say why an interface cannot be started as the world is, or nothing."""
    troubles = (_in_the_way(each, world) if each.made else _not_to_be_had(each, world) for each in part.all())
    found = next(filter(None, troubles), "")
    root = world.get(part.name)
    if not found and root is not None and root.up:
        return f"'{part.name}' is up already, and it was not us"
    return found


def _in_the_way(part: Part, world: World) -> str:
    if world.get(part.name) is not None:
        return f"'{part.name}' is there already, and we did not make it"
    if part.parent and world.get(part.parent) is None:
        return f"there is no device '{part.parent}' for it to stand on"
    return ""


def _not_to_be_had(part: Part, world: World) -> str:
    link = world.get(part.name)
    if link is None:
        return f"there is no device '{part.name}'"
    if part.mac and link.mac != part.mac:
        return f"'{part.name}' has the address {link.mac}, not {part.mac}: it is another card"
    return f"'{part.name}' is a port of '{link.master}' already" if link.master else ""


def _is_ours(world: World, name: str, index: int) -> bool:
    link = world.get(name)
    return link is not None and link.index == index
