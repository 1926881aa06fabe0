"""The interfaces that were defined or started here, as this life of the driver knows them."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tierhost.workers.runtime.contract import Code, DriverError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierhost.workers.interface.definition import Definition


@dataclass(frozen=True, slots=True)
class Started:
    """What an interface was started with: its definition, the indexes we chose, and what its cards had before."""

    definition: Definition
    indexes: Mapping[str, int] = field(default_factory=dict)
    before: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        """What the record of it, or an intent about it, says."""
        before = {name: dict(facts) for name, facts in self.before.items()}
        return {
            "name": self.definition.name,
            "xml": self.definition.xml,
            "indexes": dict(self.indexes),
            "before": before,
        }


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface. `defined` is what stays (None: only until it is stopped), `live` what runs (None: inactive)."""

    name: str
    defined: Definition | None = None
    live: Started | None = None

    @property
    def active(self) -> bool:
        """Whether it was started and not stopped since, as acknowledged."""
        return self.live is not None

    @property
    def subject(self) -> str:
        """How it is named in errors, locks and degraded objects."""
        return f"interface {self.name}"


class Interfaces:
    """The interfaces by name. Written by whoever holds the interface's job lock, read by everybody."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._interfaces: dict[str, Interface] = {}

    def put(self, interface: Interface) -> None:
        """Add an interface, or replace its picture; one that is neither defined nor active is dropped."""
        with self._lock:
            others = {name: other for name, other in self._interfaces.items() if name != interface.name}
            if interface.defined or interface.live:
                others[interface.name] = interface
            self._interfaces = others

    def all(self) -> list[Interface]:
        """Return every interface, by name."""
        return sorted(self._interfaces.values(), key=lambda interface: interface.name)

    def get(self, name: object) -> Interface | None:
        """Return the interface of this name, or None."""
        return self._interfaces.get(name) if isinstance(name, str) else None

    def find(self, name: object) -> Interface:
        """Return the interface of this name, or raise."""
        found = self.get(name)
        if found is None:
            raise DriverError(
                f"no interface '{name!s:.40}' is defined here",
                code=Code.NO_INTERFACE,
                subject="interface",
                hint="`tierhost call interface.interface_list` shows all; one that is not defined here is not touched",
            )
        return found
