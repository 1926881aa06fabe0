"""Follows devices as they come and go: which event is acted on, and when. Pure, but for the clock that is handed in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tierhost.workers.nodedev_udev.state import SUBSYSTEMS
from tierhost.workers.nodedev_udev.uevents import KERNEL_GROUP, Uevent

UDEV_PATIENCE_S: Final = 5.0
"""How long we wait for udevd to say its word after the kernel's."""

HELD_MAX: Final = 4096


@dataclass
class Following:
    """What was said, until it is acted on. Where udevd runs, the kernel's word waits for its own, which says more."""

    held: dict[int, tuple[float, Uevent]] = field(default_factory=dict)
    udev_is_late: bool = False

    def take(self, group: int, event: Uevent, now_s: float, *, udev_runs: bool) -> list[Uevent]:
        """Hear one word. Returns what is to be acted on now."""
        if event.subsystem not in SUBSYSTEMS:
            return []
        if group != KERNEL_GROUP:
            self.held.pop(event.number, None)
            self.udev_is_late = False
            return [event]
        if not udev_runs or self.udev_is_late or len(self.held) >= HELD_MAX:
            return [event]
        self.held[event.number] = (now_s + UDEV_PATIENCE_S, event)
        return []

    def due(self, now_s: float) -> list[Uevent]:
        """Return what udevd has not spoken of in time."""
        late = [number for number, (deadline_s, _) in self.held.items() if deadline_s <= now_s]
        self.udev_is_late = self.udev_is_late or bool(late)
        return [self.held.pop(number)[1] for number in late]

    def wait_s(self, now_s: float) -> float | None:
        """How long nothing is due; None: for ever."""
        if not self.held:
            return None
        return max(0.0, min(deadline_s for deadline_s, _ in self.held.values()) - now_s)
