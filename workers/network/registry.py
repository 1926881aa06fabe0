"""Every network known here, by name and uuid, and the bridges that are theirs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tierhost.workers.network.definition import NetworkDefinition
from tierhost.workers.runtime.contract import Code
from tierhost.workers.runtime.registry import Registry, Startable

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Network(Startable[NetworkDefinition]):
    """One network. Its facts: the bridge's number, dnsmasq's pid and start time."""

    kind: ClassVar[str] = "network"


class Networks(Registry[Network]):
    """All of them; no two make the same bridge."""

    made = Network
    title = "network"
    unknown = Code.NO_NETWORK
    taken = Code.NETWORK_EXIST
    calls = "network.network"

    def shared(self, known: Network, wanted: NetworkDefinition) -> Iterable[str]:
        """The bridge, if both would make it."""
        theirs = {one.bridge.name for one in known.definitions() if one.makes_bridge}
        return {f"the bridge {wanted.bridge.name}"} if wanted.makes_bridge and wanted.bridge.name in theirs else ()

    def bridges(self) -> set[str]:
        """The names of bridges that are some network's."""
        return {one.bridge.name for one in self.claimed()}
