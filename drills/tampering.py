"""What becomes of a message on a wire that is tampered with: pure; the proxy does as it is told here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

REQUEST: Final = "request"
REPLY: Final = "reply"
SIDES: Final = (REQUEST, REPLY)
WAYS: Final = ("drop", "delay", "duplicate", "reorder", "truncate", "garbage", "half-open")
"""Lost; late; twice; after the one that follows it; half of it, and the end; other bytes; nothing from then on, and no end."""


@dataclass(frozen=True, slots=True)
class Tampering:
    """Which messages of a side are tampered with: `count` of them, after `after` that pass; `count` 0: all."""

    way: str
    side: str = REPLY
    after: int = 0
    count: int = 1
    delay_s: float = 0.3

    def concerns(self, side: str, number: int) -> bool:
        """Whether it is about the message of this number (from 0, of one side)."""
        return side == self.side and number >= self.after and (not self.count or number < self.after + self.count)


@dataclass(frozen=True, slots=True)
class Passing:
    """What goes out instead of a message: frames, after `delay_s`; then the end of it all (`ends`), or silence (`mute`)."""

    frames: tuple[bytes, ...] = ()
    delay_s: float = 0.0
    ends: bool = False
    mute: bool = False


@dataclass(slots=True)
class Wireside:
    """One direction of one connection: what is kept back, and whether it has gone silent."""

    kept: list[bytes] = field(default_factory=list)


def passing(frame: bytes, tampering: Tampering | None, side: Wireside, noise: bytes) -> Passing:
    """Decide about one whole frame (with its length before it). `noise` is as long as the message, for garbage."""
    if tampering is None or tampering.way == "delay":
        late_s = 0.0 if tampering is None else tampering.delay_s
        kept, side.kept = side.kept, []
        return Passing((frame, *kept), delay_s=late_s)
    if tampering.way == "duplicate":
        return Passing((frame, frame))
    if tampering.way == "reorder":
        side.kept.append(frame)
        return Passing()
    if tampering.way == "truncate":
        return Passing((frame[: len(frame) // 2],), ends=True)
    if tampering.way == "garbage":
        return Passing((frame[: len(frame) - len(noise)] + noise,))
    return Passing(mute=tampering.way == "half-open")
