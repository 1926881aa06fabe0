"""Driver classes for tests of the host, carried into workers by value."""

from __future__ import annotations

from typing import Any

from tierhost.workers.runtime.contract import InhibitCallback, InitResult, StateDriver, change, read


def make(name: str, tier: str = "libvirt", **verbs: Any) -> type[StateDriver]:
    """Make a driver class that lives in no module, so that it travels whole."""

    class Made(StateDriver):
        """A driver for tests."""

        def state_initialize(self, *, privileged: bool, inhibit: InhibitCallback) -> InitResult:
            self.inhibit = inhibit
            return InitResult.COMPLETE

        def state_auto_start(self) -> None:
            """Count how often this happens."""
            row = self.context.persistent.get("counts", "auto-start") or {"n": 0}
            self.context.persistent.put("counts", "auto-start", {"n": row["n"] + 1})

        @read()
        def echo(self, text: str) -> str:
            """Return what was said."""
            return text

        @read()
        def auto_starts(self) -> int:
            """Return how often auto start ran, over all lives."""
            row = self.context.persistent.get("counts", "auto-start") or {"n": 0}
            return int(row["n"])

        @change()
        def hold(self, why: str) -> None:
            """Hold the host's shutdown off, or with no reason stop doing so."""
            self.inhibit(held=bool(why), why=why)

    Made.name = name
    Made.tier = tier
    for verb, function in verbs.items():
        setattr(Made, verb, function)
    return Made


Echo = make("echo")
Below = make("below")
Above = make("above", "hypervisor")
