"""Every network known here, by name and uuid: frozen pictures, replaced whole, so that readers need no lock."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tierhost.workers.network.definition import NetworkDefinition


@dataclass(frozen=True, slots=True)
class Network:
    """One network. `defined` is what stays (None: transient), `live` what it was started with (None: inactive)."""

    defined: NetworkDefinition | None
    live: NetworkDefinition | None = None
    autostart: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What must be remembered of the start: the bridge's number, dnsmasq's pid and start time."""

    @property
    def definition(self) -> NetworkDefinition:
        """What it is now, if it is active; what it will be, if not."""
        found = self.live or self.defined
        assert found is not None
        return found

    @property
    def name(self) -> str:
        """Its name, which never changes."""
        return self.definition.name

    @property
    def uuid(self) -> str:
        """Its uuid, by which the stores know it."""
        return self.definition.uuid

    @property
    def active(self) -> bool:
        """Whether it was started and not stopped since, as acknowledged."""
        return self.live is not None

    @property
    def subject(self) -> str:
        """How it is named in errors, locks and degraded objects."""
        return f"network {self.name}"


class Networks:
    """The networks by uuid. Written by whoever holds the network's job lock, read by everybody."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._claims: dict[str, NetworkDefinition] = {}
        self._networks: dict[str, Network] = {}
        self._uuids: dict[str, str] = {}

    def put(self, network: Network) -> None:
        """Add a network, or replace its picture."""
        with self._lock:
            self._networks = {**self._networks, network.uuid: network}
            self._uuids = {**self._uuids, network.name: network.uuid}

    def drop(self, uuid: str) -> None:
        """Forget a network."""
        with self._lock:
            self._networks = {other: network for other, network in self._networks.items() if other != uuid}
            self._uuids = {name: other for name, other in self._uuids.items() if other != uuid}

    def all(self) -> list[Network]:
        """Return every network, by name."""
        return sorted(self._networks.values(), key=lambda network: network.name)

    def get(self, name: object) -> Network | None:
        """Return the network of this name or uuid, or None."""
        if not isinstance(name, str):
            return None
        return self._networks.get(self._uuids.get(name, name)) or self._networks.get(name.lower())

    def find(self, name: object) -> Network:
        """Return the network of this name or uuid, or raise."""
        network = self.get(name)
        if network is None:
            raise DriverError(
                f"no network with matching name or uuid '{str(name)[:80]}'",
                code=Code.NO_NETWORK,
                hint="tierhost call network.network_list",
            )
        return network

    def find_active(self, name: object) -> Network:
        """Return an active network of this name or uuid, or raise."""
        network = self.find(name)
        if not network.active:
            raise DriverError(
                "the network is not active",
                code=Code.OPERATION_INVALID,
                subject=network.subject,
                hint=f"tierhost call network.network_create {network.name}",
            )
        return network

    def bridges(self) -> set[str]:
        """The names of bridges that are some network's."""
        with self._lock:
            known = [one for network in self._networks.values() for one in (network.live, network.defined) if one is not None]
            return {one.bridge.name for one in (*known, *self._claims.values())}

    @contextmanager
    def claiming(self, wanted: NetworkDefinition) -> Iterator[None]:
        """Keep a new network's name, uuid and bridge for it until it is put. Raises if another network has any of them."""
        with self._lock:
            claims = [Network(other) for other in self._claims.values() if other is not wanted]
            for network in (*self._networks.values(), *claims):
                _refuse_conflict(network, wanted)
            if wanted.uuid in self._claims:
                raise _taken("it is being defined right now", wanted)
            self._claims[wanted.uuid] = wanted
        try:
            yield
        finally:
            with self._lock:
                del self._claims[wanted.uuid]


def _refuse_conflict(network: Network, wanted: NetworkDefinition) -> None:
    if network.uuid == wanted.uuid:
        if network.name != wanted.name:
            raise _taken(f"the network with uuid {wanted.uuid} is called '{network.name}'", wanted)
        return
    if network.name == wanted.name:
        raise _taken(f"the network '{wanted.name}' already exists with uuid {network.uuid}", wanted)
    theirs = {one.bridge.name for one in (network.live, network.defined) if one is not None and one.makes_bridge}
    if wanted.makes_bridge and wanted.bridge.name in theirs:
        raise _taken(f"the network '{network.name}' uses the bridge {wanted.bridge.name} already", wanted)


def _taken(text: str, wanted: NetworkDefinition) -> DriverError:
    hint = "choose another, or undefine that network first"
    return DriverError(text, code=Code.NETWORK_EXIST, subject=wanted.subject, hint=hint)
