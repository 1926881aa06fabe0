"""A driver that has nothing to drive: what programs that misbehave do well, when they stand beside the real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierhost.workers.runtime.contract import InitResult, StateDriver, read

if TYPE_CHECKING:
    from tierhost.workers.runtime.contract import InhibitCallback


class Idle(StateDriver):
    """Answers, and that is all."""

    def state_initialize(self, *, privileged: bool, inhibit: InhibitCallback) -> InitResult:
        """Take nothing."""
        return InitResult.COMPLETE

    @read()
    def echo(self, text: str) -> str:
        """Return what was said."""
        return text
