"""Whether a worker that does not beat is slow or lost. A late host convicts nobody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tierhost.host.core.events import BeatRead
    from tierhost.host.core.spec import Policy


def is_overdue(age_s: float, policy: Policy, *, stopped: bool) -> bool:
    """Judge one beat. A stopped process does not run at all; a running one may be starved by the machine."""
    return age_s > (policy.patience_stopped_s if stopped else policy.patience_s)


@dataclass(slots=True)
class Pulse:
    """Remembers when the host itself last ran: if it slept, beats are old for that reason too."""

    policy: Policy
    _last_s: float | None = None
    excused_until_s: float = 0.0

    def host_ran(self, now_s: float) -> None:
        """Note a turn of the host. After a gap, and at its beginning, every worker gets a moment to beat again."""
        # A new host cannot know whether everybody, its predecessor included, stood still until now.
        if self._last_s is None or now_s - self._last_s > self.policy.patience_stopped_s:
            self.excused_until_s = now_s + self.policy.patience_stopped_s / 2
        self._last_s = now_s

    def is_lost(self, beat: BeatRead, now_s: float) -> bool:
        """Whether this reading convicts."""
        return now_s >= self.excused_until_s and is_overdue(beat.age_s, self.policy, stopped=beat.stopped)
