"""The barrier: when a tier's drivers may auto-start, when the next tier opens, and who holds it up. Pure questions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierhost.host.core.lifecycle import Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierhost.host.core.track import Track

GIVEN_UP = frozenset({Phase.BACKOFF, Phase.QUARANTINED, Phase.STOPPED, Phase.EVICTING})
"""Phases in which an optional driver no longer holds anybody up."""

THROUGH = frozenset({Phase.READY, Phase.RELOADING, Phase.SKIPPED})
"""Phases in which a driver has nothing left to do."""

STUCK = frozenset({Phase.QUARANTINED, Phase.STOPPED})
"""Phases that only a person ends."""


@dataclass(frozen=True, slots=True)
class TierView:
    """One tier, for status: "waiting", "starting", "held" (the reason names who holds it) or "ready"."""

    name: str
    state: str
    reason: str


def may_auto_start(tier: Sequence[Track]) -> bool:
    """Whether every driver of the tier has initialized, so that auto start may find them all."""
    return all(track.past_initialize or _is_given_up(track) for track in tier)


def is_through(tier: Sequence[Track]) -> bool:
    """Whether every driver of the tier has initialized and auto-started, so that the next tier may open.

    A driver that was through and is down again holds: what opens now would look at a tier that is not there.
    """
    return all(track.phase in THROUGH or _is_given_up(track) for track in tier)


def _is_given_up(track: Track) -> bool:
    return not track.spec.required and track.phase in GIVEN_UP


def holders(tier: Sequence[Track]) -> list[Track]:
    """The drivers that hold the next tier up until a person does something."""
    return [track for track in tier if track.phase in STUCK and track.spec.required and not track.past_auto_start]


def state_of(name: str, tier: Sequence[Track], *, is_open: bool, below: TierView | None) -> TierView:
    """Describe one tier; `below` is the tier under it."""
    if not is_open:
        if below is not None and below.state == "held":
            return TierView(name, "held", f"tier {below.name} is held: {below.reason}" if below.reason else "")
        return TierView(name, "waiting", "")
    holding = holders(tier)
    if holding:
        return TierView(name, "held", "; ".join(f"{track.name} is {track.phase.name}: {track.last_error}" for track in holding))
    return TierView(name, "ready" if is_through(tier) else "starting", "")
