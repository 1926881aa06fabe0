"""What an interface is defined to be: the devices it consists of, each with what it is to have. Pure values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KINDS: Final = ("bridge", "bond", "vlan", "ethernet")
"""The types of libvirt's interface XML."""


@dataclass(frozen=True, slots=True)
class Part:
    """One device. `ports` are the devices that become ports of this one; `parent` is what a vlan stands on."""

    name: str
    kind: str
    mac: str = ""
    mtu: int = 0
    addresses: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    parent: str = ""
    ports: tuple[Part, ...] = ()

    @property
    def made(self) -> bool:
        """Whether starting it makes the device. A network card is there already: it is set up, and set back."""
        return self.kind != "ethernet"

    def all(self) -> Iterator[Part]:
        """Yield this part and all below it."""
        yield self
        for port in self.ports:
            yield from port.all()


@dataclass(frozen=True, slots=True)
class Definition:
    """One interface as its XML defines it."""

    part: Part
    xml: str
    onboot: bool = False
    unread: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its name, which is the name of its device."""
        return self.part.name
