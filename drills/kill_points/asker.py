"""A driver of the drills' own: it asks for services that only workers may ask for, in the name of a client."""

from __future__ import annotations

from typing import Any

from tierhost.workers.runtime.contract import InhibitCallback, InitResult, StateDriver, read


class Asker(StateDriver):
    """Asks other drivers' services."""

    name = "asker"
    tier = "hypervisor"
    needs = (
        "secret.get_value",
        "storage.resolve_volume",
        "storage.release_volumes",
        "storage.hold_volumes",
        "storage.lookup_path",
    )

    def state_initialize(self, *, privileged: bool, inhibit: InhibitCallback) -> InitResult:
        """There is nothing to find."""
        return InitResult.COMPLETE

    @read()
    def ask(self, driver: str, service: str, words: dict[str, Any]) -> Any:
        """Ask, and return the answer."""
        return getattr(getattr(self.context.services, driver), service)(**words)
