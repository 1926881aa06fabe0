"""A driver of the drills' own: it asks for services that only workers may ask for, in the name of a client."""

from __future__ import annotations

from typing import Any

from tierhost.host import catalog
from tierhost.host.config import Config
from tierhost.workers.runtime.contract import InhibitCallback, InitResult, StateDriver, read


class Asker(StateDriver):
    """Asks other drivers' services."""

    name = "asker"
    tier = "hypervisor"

    def state_initialize(self, *, privileged: bool, inhibit: InhibitCallback) -> InitResult:
        """There is nothing to find."""
        return InitResult.COMPLETE

    @read()
    def ask(self, driver: str, service: str, words: dict[str, Any]) -> Any:
        """Ask, and return the answer."""
        return getattr(getattr(self.context.services, driver), service)(**words)


def asker_for(drivers: tuple[str, ...]) -> type[StateDriver]:
    """Return the class that may ask for every service of these drivers."""
    there = catalog.read(Config(built_in=drivers)).drivers.values()
    needs = tuple(f"{manifest.name}.{service}" for manifest in there for service in manifest.provides)
    return type("Asker", (Asker,), {"needs": needs, "__doc__": Asker.__doc__})
