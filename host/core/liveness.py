"""Whether a silent worker is lost, and when its silence must be excused because the host itself was late."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from tierhost.host.core.events import BeatRead, TimePassed

if TYPE_CHECKING:
    from tierhost.host.core.events import Event
    from tierhost.host.core.spec import Policy


def suspicion(age_s: float, policy: Policy, *, stopped: bool) -> str:
    """Say why a worker whose beat is so old is lost; empty if it is not."""
    if stopped and age_s > policy.patience_stopped_s:
        return f"stopped, no beat for {age_s:.1f} s"
    if age_s > policy.patience_s:
        return f"hung, no beat for {age_s:.1f} s"
    return ""


@dataclass(slots=True)
class Punctuality:
    """Notices that the host was away (stopped, starved, the machine froze): then workers had no chance to be heard.

    For a moment after that, silence and missed deadlines convict nobody. A quiet host is not a late one: with nothing to
    do there is no event, so a gap counts only where an event should have come earlier.
    """

    late_s: float
    grace_s: float
    excused_until_s: float = -inf
    _seen_s: float = inf

    def notice(self, event: Event, now_s: float, wanted_s: float | None) -> None:
        """Look at every event before it is dealt with. `wanted_s`: when the core had wanted to be called next."""
        if isinstance(event, TimePassed):
            late = wanted_s is not None and now_s - wanted_s > self.late_s
        elif isinstance(event, BeatRead) and event.age_s <= self.grace_s:
            late = False
        else:
            late = now_s - self._seen_s > self.late_s
        if late:
            self.excused_until_s = now_s + self.grace_s
        self._seen_s = now_s

    def excuses(self, now_s: float) -> bool:
        """Whether silence is to be forgiven at this moment."""
        return now_s < self.excused_until_s
