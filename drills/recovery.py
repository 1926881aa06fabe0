"""How long it took until a driver that was struck answered again, one figure for each strike of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierhost.drills.history import ANSWERED

if TYPE_CHECKING:
    from tierhost.drills.history import History, Strike


def recovery_times(history: History, target: str = "") -> tuple[list[float], int]:
    """Seconds from each strike (of one target, if named) to the first answer to a call made after it; and how many never came.

    A strike after which nobody called that driver says nothing, and is left out.
    """
    took_s, never = [], 0
    for strike in history.strikes:
        asked = recovered_s(history, strike) if target in {"", strike.target} else None
        if asked is not None and asked >= 0:
            took_s.append(asked)
        never += asked is not None and asked < 0
    return took_s, never


def recovered_s(history: History, strike: Strike) -> float | None:
    """Seconds until the driver of one strike answered again; negative: never; None: nobody asked it afterwards."""
    if strike.fired_s is None:
        return None
    everybody = strike.target in {"host", "zygote", "spares"}
    later = [call for call in history.calls if call.begin_s >= strike.fired_s and (everybody or call.driver == strike.target)]
    ends = [call.end_s for call in later if call.outcome == ANSWERED and call.end_s is not None]
    if not later:
        return None
    return min(ends) - strike.fired_s if ends else -1.0
